package main

import (
	"fmt"
	"strconv"

	"example.com/rawhttp/bench/servers/contract"
)

const (
	rangeStart = 500_000
	rangeSize  = 1 << 10
	chunkSize  = 32 << 10
)

var rangeField = fmt.Sprintf("Range: bytes=%d-%d\r\n", rangeStart, rangeStart+rangeSize-1)

// A traffic is what the clients of a job send to a server, and what they expect.
type traffic struct {
	job
	address string
	batch   []byte // requests sent at once on a connection
	want    int64  // bytes of content per response; -1 if servers differ
}

func newTraffic(j job, port int) traffic {
	t := traffic{job: j, address: address(port), want: answerSize(j)}
	for i := range j.depth {
		t.batch = t.appendRequest(t.batch, i)
	}
	return t
}

// appendRequest appends request i of a batch.
func (t traffic) appendRequest(b []byte, i int) []byte {
	method, target := "GET", t.path
	if t.kind == upload {
		method = "POST"
	}
	if t.differ {
		target += "?" + strconv.Itoa(i+1)
	}
	b = fmt.Appendf(b, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", method, target, t.address, t.fields)
	if t.reconnect {
		b = append(b, "Connection: close\r\n"...)
	}
	switch {
	case t.kind != upload:
		return append(b, "\r\n"...)
	case t.chunked:
		return appendChunks(append(b, "Transfer-Encoding: chunked\r\n\r\n"...), content(t.job))
	}
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", t.size)
	return append(b, content(t.job)...)
}

func appendChunks(b, content []byte) []byte {
	for len(content) > 0 {
		n := min(len(content), chunkSize)
		b = fmt.Appendf(b, "%x\r\n%s\r\n", n, content[:n])
		content = content[n:]
	}
	return append(b, "0\r\n\r\n"...)
}

// answer returns the content of the response that a job expects. For a stream of events,
// which does not end, it is the first ones; for a listing, nil, since servers differ.
func answer(j job) []byte {
	switch j.kind {
	case listing, listingJSON, unchanged:
		return nil
	case part:
		return content(j)[rangeStart:][:rangeSize]
	case sidecar:
		return compressed(content(j))
	case upload:
		return []byte(contract.Received(int64(j.size)))
	case events:
		return []byte(contract.Event + contract.Event)
	}
	return content(j)
}

func answerSize(j job) int64 {
	switch j.kind {
	case listing, listingJSON:
		return -1
	case large:
		return int64(j.size) // without making the content
	}
	return int64(len(answer(j)))
}
