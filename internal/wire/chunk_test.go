package wire

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// Chunk sizes are parsed as by math/big, or are larger than any content can be.
func TestChunkSizes(t *testing.T) {
	most := big.NewInt(1<<63 - 1)
	check := func(digits string) {
		t.Helper()
		want, ok := new(big.Int).SetString(digits, 16)
		if !ok {
			t.Fatalf("%q is not a number", digits)
		}
		if want.Cmp(most) > 0 {
			want = most
		}
		size, n, err := ParseChunkLine([]byte(digits + "\r\nrest"))
		if err != nil || n != len(digits)+2 || big.NewInt(size).Cmp(want) != 0 {
			t.Errorf("ParseChunkLine(%q) = %d, %d, %v, want %d, %d, nil", digits, size, n, err, want, len(digits)+2)
		}
	}
	for bit := range 64 {
		for _, add := range []int64{-1, 0, 1} {
			n := new(big.Int).Lsh(big.NewInt(1), uint(bit))
			n.Add(n, big.NewInt(add))
			check(n.Text(16))
			check(fmt.Sprintf("%016X", n))
		}
	}
	check("ffffffffffffffff")
	check("8000000000000000")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		digits := make([]byte, 1+rng.IntN(16))
		for i := range digits {
			digits[i] = "0123456789abcdefABCDEF"[rng.IntN(22)]
		}
		check(string(digits))
	}
}
