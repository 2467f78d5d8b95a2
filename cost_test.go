package secc

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
)

var update = flag.Bool("update", false, "rewrite testdata/cost.csv")

const costFile = "testdata/cost.csv"

// What the test networks and a list of convolutions cost stands in testdata/cost.csv, so
// that a change of price is seen in a diff: go test . -run Costs -update.
func TestCosts(t *testing.T) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	row := func(fields ...any) {
		line := make([]string, len(fields))
		for i, f := range fields {
			line[i] = fmt.Sprint(f)
		}
		_ = w.Write(line) // to memory
	}
	row("what", "profile", "to_server", "to_client", "rounds", "cots_server_sends", "cots_client_sends")
	for _, name := range []string{"lan", "wan"} {
		profile, err := choose.ParseProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		networkCosts(t, profile, row)
		convolutionCosts(t, profile, row)
	}
	w.Flush()
	if *update {
		if err := os.WriteFile(costFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(costFile)
	if err != nil {
		t.Fatal(err)
	}
	old, now := strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")
	for _, line := range now {
		if !slices.Contains(old, line) {
			t.Errorf("now  %s", line)
		}
	}
	for _, line := range old {
		if !slices.Contains(now, line) {
			t.Errorf("was  %s", line)
		}
	}
	if t.Failed() {
		t.Log("if this is meant: go test . -run Costs -update")
	}
}

// networkCosts prices whole runs: online, and what is made before.
func networkCosts(t *testing.T, profile choose.Profile, row func(...any)) {
	t.Helper()
	for _, name := range []string{"mnist_cntk_8", "resnet20_cifar10"} {
		p := preparedNetwork(t, name)
		n, err := p.Network(t.Context(), profile)
		if err != nil {
			t.Fatal(err)
		}
		c, total := n.Plan.COTs(), n.Report.Total
		row(name+" set-up", profile.Name, total.Setup.ClientToServer, total.Setup.ServerToClient, total.Setup.Rounds, c.ServerSends, c.ClientSends)
		row(name+" online", profile.Name, total.Online.ClientToServer, total.Online.ServerToClient, total.Online.Rounds, c.ServerSends, c.ClientSends)
	}
}

// The server masks every response of a session under one public key: docs/security/linear.md
// says how often, which the security of the responses is divided by.
func TestMasksUnderOneKey(t *testing.T) {
	for name, want := range map[string]int{"mnist_cntk_8": 7, "resnet20_cifar10": 39, "tm_cxr_mobilenetv2_035": 364} {
		n, err := preparedNetwork(t, name).Network(t.Context(), choose.Profile{})
		if err != nil {
			t.Fatal(err)
		}
		masks := 0
		for _, s := range n.Plan.Steps() {
			if s.Proto != plan.ProtoLinearRLWE {
				continue
			}
			l := s.Attrs.(*plan.Linear)
			y, err := l.NewLayout()
			if err != nil {
				t.Fatal(err)
			}
			if more := y.Responses() * y.KeySets(); more > l.NumOut() {
				t.Errorf("%s, %q: %d masks for %d results", name, s.Name, more, l.NumOut())
			} else {
				masks += more
			}
		}
		if masks != want {
			t.Errorf("%s: %d masks, docs/security/linear.md says %d", name, masks, want)
		}
	}
}

var preparedNetworks = map[string]*Prepared{}

// preparedNetwork compiles a test network as its owner would, once.
func preparedNetwork(t *testing.T, name string) *Prepared {
	t.Helper()
	if p := preparedNetworks[name]; p != nil {
		return p
	}
	dir := filepath.Join("testdata/models", name)
	var meta struct{ Scale, Shift []float64 }
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		t.Fatal(err)
	}
	model, err := os.ReadFile(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Import(t.Context(), model, Options{
		Calibration: Files(filepath.Join(dir, "images.u8")), Preprocess: plan.Preprocess{Preset: "custom", Scale: meta.Scale, Shift: meta.Shift},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	preparedNetworks[name] = p
	return p
}

// convolutions are shapes of ResNet-50, DenseNet-121, SqueezeNet and MobileNet, and odd
// ones: channels in, out, side, kernel, stride, groups.
func convolutions() [][6]int {
	return [][6]int{
		{3, 64, 224, 7, 2, 1}, {64, 64, 56, 1, 1, 1}, {64, 64, 56, 3, 1, 1}, {64, 256, 56, 1, 1, 1}, {256, 128, 56, 1, 2, 1},
		{128, 128, 28, 3, 1, 1}, {512, 256, 28, 1, 2, 1}, {256, 256, 14, 3, 1, 1}, {1024, 512, 14, 1, 2, 1}, {512, 512, 7, 3, 1, 1},
		{128, 32, 56, 3, 1, 1}, {1024, 1000, 1, 1, 1, 1}, {16, 64, 55, 1, 1, 1}, {64, 256, 13, 3, 1, 1}, {32, 32, 112, 3, 1, 32},
		{144, 144, 56, 3, 2, 144}, {96, 24, 56, 1, 1, 1}, {1, 6, 28, 5, 1, 1}, {33, 17, 9, 3, 1, 1}, {4, 8, 5, 3, 2, 2},
	}
}

func convolutionCosts(t *testing.T, profile choose.Profile, row func(...any)) {
	t.Helper()
	for _, c := range convolutions() {
		in, out, side, kernel, stride, groups := c[0], c[1], c[2], c[3], c[4], c[5]
		l := &plan.Linear{
			Batch: 1, G: groups, CIn: in, COut: out, H: side, W: side, KH: kernel, KW: kernel, SH: stride, SW: stride, DH: 1, DW: 1,
			PT: kernel / 2, PL: kernel / 2, OH: (side-1)/stride + 1, OW: (side-1)/stride + 1,
			InBits: 28, Shift: 12, OutBits: 16, NormLog2: 12,
		}
		if err := (choose.Search{Profile: profile}).Packing(l); err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		cost := l.CostRLWE()
		row(fmt.Sprintf("conv %d>%d %dx%d k%d s%d g%d", in, out, side, side, kernel, stride, groups), profile.Name,
			cost.ToServer(), cost.ToClient(), plan.Depth{}.After(cost.Flights).Rounds(), cost.COTs.ServerSends, cost.COTs.ClientSends)
	}
}
