package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/url"
	"strconv"
	"strings"

	"example.com/rawhttp"
	_ "modernc.org/sqlite"
)

type notes struct{ db *sql.DB }

type note struct {
	ID      int64  `json:"id"`
	Text    string `json:"text"`
	version int64  // counts changes
}

// openNotes opens the database, and creates it if it does not exist. AUTOINCREMENT keeps the ID
// of a removed note from being used again, so that an ETag stands for one content only.
func openNotes(name string) (*notes, error) {
	options := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: name}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS notes (
		id      INTEGER PRIMARY KEY AUTOINCREMENT,
		text    TEXT NOT NULL,
		version INTEGER NOT NULL DEFAULT 1
	)`)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %q: %w", name, err)
	}
	return &notes{db}, nil
}

// resolver returns the API.
func (n *notes) resolver() rawhttp.Resolver {
	return rawhttp.LimitBody(64<<10, rawhttp.First(
		rawhttp.Mount("/notes", rawhttp.Methods(map[string]rawhttp.Resolver{
			"GET":  rawhttp.ResolverFunc(n.list),
			"POST": rawhttp.ResolverFunc(n.create),
		})),
		rawhttp.Mount("/notes/", rawhttp.Methods(map[string]rawhttp.Resolver{
			"GET":    rawhttp.ResolverFunc(n.read),
			"PUT":    rawhttp.ResolverFunc(n.change),
			"DELETE": rawhttp.ResolverFunc(n.remove),
		})),
	))
}

func (n *notes) list(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	after, err := strconv.ParseInt(req.Query().Get("after"), 10, 64)
	if err != nil && req.Query().Has("after") {
		return nil, &rawhttp.StatusError{Status: 400, Err: err}
	}
	rows, err := n.db.QueryContext(ctx, "SELECT id, text FROM notes WHERE id > ? ORDER BY id LIMIT 100", after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []note{}
	for rows.Next() {
		var one note
		if err := rows.Scan(&one.ID, &one.Text); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	content, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	return rawhttp.OK("application/json", content), nil
}

func (n *notes) create(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	text, err := readText(req)
	if err != nil {
		return nil, err
	}
	one := note{Text: text, version: 1}
	err = n.db.QueryRowContext(ctx, "INSERT INTO notes (text) VALUES (?) RETURNING id", text).Scan(&one.ID)
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(one)
	if err != nil {
		return nil, err
	}
	resp := rawhttp.Bytes(201, "application/json", content)
	return resp.Set("Location", fmt.Sprintf("/notes/%d", one.ID)).Set("ETag", one.etag()), nil
}

func (n *notes) read(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	one, err := find(ctx, n.db, req)
	if err != nil {
		return nil, err
	}
	rep, err := one.representation()
	if err != nil {
		return nil, err
	}
	return rawhttp.Content(rep), nil
}

func (n *notes) change(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	text, err := readText(req)
	if err != nil {
		return nil, err
	}
	return n.update(ctx, req, func(tx *sql.Tx, one note) (*rawhttp.Response, error) {
		_, err := tx.ExecContext(ctx, "UPDATE notes SET text = ?, version = version + 1 WHERE id = ?", text, one.ID)
		if err != nil {
			return nil, err
		}
		one.version++
		return rawhttp.Empty(204).Set("ETag", one.etag()), nil
	})
}

func (n *notes) remove(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
	return n.update(ctx, req, func(tx *sql.Tx, one note) (*rawhttp.Response, error) {
		_, err := tx.ExecContext(ctx, "DELETE FROM notes WHERE id = ?", one.ID)
		return rawhttp.Empty(204), err
	})
}

// update calls f for the note of the request if its preconditions hold, all in one transaction:
// no other request can change the note in between.
func (n *notes) update(ctx context.Context, req *rawhttp.Request, f func(*sql.Tx, note) (*rawhttp.Response, error)) (*rawhttp.Response, error) {
	tx, err := n.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	one, err := find(ctx, tx, req)
	if err != nil {
		return nil, err
	}
	rep, err := one.representation()
	if err != nil {
		return nil, err
	}
	if resp := rep.Precondition(req); resp != nil {
		return resp, nil
	}
	resp, err := f(tx, one)
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	return resp, nil
}

// find returns the note that the path of the request names.
func find(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, req *rawhttp.Request) (note, error) {
	id, err := strconv.ParseInt(strings.TrimPrefix(req.Path(), "/"), 10, 64)
	if err != nil {
		return note{}, fs.ErrNotExist
	}
	one := note{ID: id}
	err = db.QueryRowContext(ctx, "SELECT text, version FROM notes WHERE id = ?", id).Scan(&one.Text, &one.version)
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	return one, err
}

func (n note) etag() string { return fmt.Sprintf(`"%d-%d"`, n.ID, n.version) }

func (n note) representation() (rawhttp.Representation, error) {
	content, err := json.Marshal(n)
	return rawhttp.Representation{
		MediaType: "application/json",
		Body:      bytes.NewReader(content),
		Size:      int64(len(content)),
		ETag:      n.etag(),
	}, err
}

// readText returns the text of the note in the content of a request.
func readText(req *rawhttp.Request) (string, error) {
	mediaType, _, err := mime.ParseMediaType(req.Header().Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return "", &rawhttp.StatusError{Status: 415, Err: err}
	}
	content, err := io.ReadAll(req.Body) // limited by LimitBody
	if err != nil {
		return "", err
	}
	var one note
	if err := json.Unmarshal(content, &one); err != nil {
		return "", &rawhttp.StatusError{Status: 400, Err: err}
	}
	if one.Text == "" {
		return "", &rawhttp.StatusError{Status: 422, Err: errors.New("the note has no text")}
	}
	return one.Text, nil
}
