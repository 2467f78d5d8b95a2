package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var manDir = flag.String("man", "", "folder to write the manual pages to")

// A manual page for every command, from the same text as docs/CLI.md. Releases write them:
// go test ./cmd/secc -run ManPages -man DIR. The generator is no part of the program.
func TestManPages(t *testing.T) {
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	root := newRootCmd()
	root.DisableAutoGenTag = true
	epoch := time.Unix(0, 0).UTC() // the same bytes every time
	if err := doc.GenManTree(root, &doc.GenManHeader{Title: "SECC", Section: "1", Source: "secc", Manual: "secc", Date: &epoch}, dir); err != nil {
		t.Fatal(err)
	}
	n := 0
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.IsAvailableCommand() || !c.HasParent() {
			n++
			b, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
			if err != nil {
				t.Error(err)
			} else if !strings.HasPrefix(string(b), ".nh\n.TH \"SECC\" \"1\"") {
				t.Errorf("%s: the page begins with %.40q", c.CommandPath(), b)
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
	if n < 20 {
		t.Errorf("%d pages", n)
	}
}
