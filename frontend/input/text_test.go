package input

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Numbers in a text are an input: token ids, above all.
func TestText(t *testing.T) {
	ids := Spec{Name: "ids", Shape: []int{1, 4}}
	for text, want := range map[string][]float32{
		"101 2023 2003 102\n":         {101, 2023, 2003, 102},
		"[[101, 2023,\r\n2003, 102]]": {101, 2023, 2003, 102},
		"1;-2;3.5e0;4":                {1, -2, 3.5, 4},
		"\ufeff1,2\r\n3,4\r\n":        {1, 2, 3, 4}, // as spreadsheets write it
	} {
		got, err := Take([]Held{{"ids.txt", []byte(text)}}, []Spec{ids})
		if err != nil || !slices.Equal(got[0].Values, want) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":            "without a number",
		"[]":          "without a number",
		"101 the 5 6": "number 2",
		"1 2 3 1e99":  "number 4",
		"1 2 NaN 4":   "element 2 is not a finite number",
		"1 2 3":       "has shape [3], the network wants [1 4]",
	} {
		if _, err := Take([]Held{{"ids.csv", []byte(text)}}, []Spec{ids}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// In a folder, texts of numbers are inputs and others are not.
func TestTextsInFolders(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"1.txt": "5 6 7 8", "2.csv": "\ufeff1,2,\n3,4", "README.txt": "What this is.", "labels.txt": "0 cat\n1 dog\n", "empty.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := Examples(t.Context(), dir, []Spec{{Name: "ids", Shape: []int{1, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(set.Sources, []string{"1.txt", "2.csv"}) || !slices.Equal(set.Cases[1][0], []float32{1, 2, 3, 4}) {
		t.Errorf("read %q: %v", set.Sources, set.Cases)
	}
}
