// Command fetchmodels knows the networks and images that figures in the documentation stand
// on: where each comes from, its SHA-256, and whether it stands in testdata. It lists them,
// or checks a folder of them, and with -fetch fills that folder as far as it can be.
//
//	go run ./scripts/fetchmodels [-fetch] [DIR]
package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"secc.example/secc/internal/safefile"
)

//go:embed sources.csv
var table string

// source is one file: under which path it lies, what its bytes are, where they come from.
type source struct {
	path, sum string
	url       string // a public file of the same bytes, if there is one
	origin    string
}

// testdata is where some of the files stand in the repository. Rows of paths that begin with it
// are files that stand there only: parts of others.
const testdata = "testdata"

// elsewhere are the rows of files that a folder beside the repository holds.
func elsewhere(all []source) []source {
	return slices.DeleteFunc(slices.Clone(all), func(s source) bool { return strings.HasPrefix(s.path, testdata+"/") })
}

func main() {
	fetch := flag.Bool("fetch", false, "copy what stands in testdata and download what is public, as far as it is missing")
	flag.Parse()
	all, err := sources(table)
	if err != nil {
		fail(err)
	}
	if flag.NArg() == 0 {
		list(os.Stdout, all)
		return
	}
	all = elsewhere(all)
	f := fetcher{get: download, log: os.Stdout, testdata: testdata}
	missing := 0
	for _, s := range all {
		ok, err := f.check(s, flag.Arg(0), *fetch)
		if err != nil {
			fail(err)
		}
		if !ok {
			missing++
		}
	}
	fmt.Printf("%d of %d files are there and are what they should be\n", len(all)-missing, len(all))
	if missing > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "fetch-models:", err)
	os.Exit(1)
}

// sources reads the table.
func sources(text string) ([]source, error) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	var all []source
	for _, r := range rows[1:] {
		if b, err := hex.DecodeString(r[1]); err != nil || len(b) != sha256.Size || !filepath.IsLocal(r[0]) || r[3] == "" {
			return nil, fmt.Errorf("sources.csv: %q is no path, SHA-256, address and origin", r)
		}
		all = append(all, source{r[0], r[1], r[2], r[3]})
	}
	return all, nil
}

// list says of every file where it comes from.
func list(w io.Writer, all []source) {
	for _, s := range all {
		where := "no public file of these bytes"
		switch {
		case s.url != "":
			where = s.url
		case strings.HasPrefix(s.path, testdata+"/"), sumOf(filepath.Join(testdata, s.path)) == s.sum:
			where = "stands in " + testdata
		}
		fmt.Fprintf(w, "%s\n  sha256  %s\n  file    %s\n  origin  %s\n", s.path, s.sum, where, s.origin)
	}
}

// sumOf is a file's SHA-256 in hexadecimal, or nothing.
func sumOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fetcher fills and checks a folder.
type fetcher struct {
	get      func(url string) ([]byte, error)
	log      io.Writer
	testdata string
}

// check says whether a file is there with the right bytes, and fetches it before if it
// is to and can be. Files that are there are left as they are.
func (f *fetcher) check(s source, dir string, fetch bool) (bool, error) {
	path := filepath.Join(dir, s.path)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && fetch {
		err = f.fill(s, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(f.log, "missing   %s\n", s.path)
		return false, nil
	case err != nil:
		return false, err
	case sumOf(path) != s.sum:
		fmt.Fprintf(f.log, "differs   %s\n", s.path)
		return false, nil
	}
	return true, nil
}

// fill writes a file from testdata or from its address; it gives ErrNotExist if neither
// has these bytes.
func (f *fetcher) fill(s source, path string) error {
	b, err := os.ReadFile(filepath.Join(f.testdata, s.path))
	if err != nil || !isSum(b, s.sum) {
		if s.url == "" {
			return fs.ErrNotExist
		}
		if b, err = f.get(s.url); err != nil {
			fmt.Fprintf(f.log, "not got   %s: %v\n", s.path, err)
			return fs.ErrNotExist
		}
		if !isSum(b, s.sum) {
			fmt.Fprintf(f.log, "not these %s: %s has other bytes\n", s.path, s.url)
			return fs.ErrNotExist
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return safefile.Write(path, b, safefile.Public)
}

func isSum(b []byte, sum string) bool {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:]) == sum
}

// largest is more than any public file of the table has.
const largest = 64 << 20

func download(url string) ([]byte, error) {
	c := &http.Client{Timeout: 5 * time.Minute}
	resp, err := c.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, largest))
}
