package server

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// alertsOf holds the alerts in deploy/ to metrics that there are.
func alertsOf(t *testing.T, metrics string) {
	t.Helper()
	b, err := os.ReadFile("../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range strings.Split(string(b), "\n") {
		expr, ok := strings.CutPrefix(strings.TrimSpace(line), "expr:")
		if !ok {
			continue
		}
		for _, name := range regexp.MustCompile(`(secc|process)_[a-z_]+`).FindAllString(expr, -1) {
			if n++; !strings.Contains(metrics, "\n"+name) {
				t.Errorf("an alert on %s, which there is not", name)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d metrics in alerts", n)
	}
}
