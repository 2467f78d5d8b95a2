package main

import (
	"bytes"
	"os"
	"testing"
)

// TestFresh: the page says what the tables say.
func TestFresh(t *testing.T) {
	var want bytes.Buffer
	if err := write(&want); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/OPERATORS.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/OPERATORS.md is stale: go run ./scripts/operatorsdoc > docs/OPERATORS.md")
	}
}
