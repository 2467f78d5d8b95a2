package ask

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/pki"
	"secc.example/secc/runtime/transport"
	"secc.example/secc/server"
)

// certified makes an authority and certificates in a folder: of this machine, of another name, one
// that has run out, and a client's.
func certified(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name string, p pki.Pair) {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name+".pem"), p.Cert, 0o600), os.WriteFile(filepath.Join(dir, name+"-key.pem"), p.Key, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ca", "otherca"} {
		ca, err := pki.NewAuthority(name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		write(name, ca)
	}
	authority, err := pki.OpenAuthority(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]pki.Request{
		"here": {Name: "here", Hosts: []string{"127.0.0.1"}, Life: time.Hour}, "elsewhere": {Name: "elsewhere", Hosts: []string{"elsewhere.test"}, Life: time.Hour},
		"old": {Name: "old", Hosts: []string{"127.0.0.1"}, Life: -time.Minute}, "client": {Name: "client", Life: time.Hour}, "oldclient": {Name: "oldclient", Life: -time.Minute},
	} {
		p, err := authority.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		write(name, p)
	}
	return dir
}

// What goes wrong is said with the file or the address that it is about, what to do, and the exit
// code, in JSON as well.
func TestWhatIsSaid(t *testing.T) {
	certs, folder, dir := certified(t), models(t), t.TempDir()
	pem := func(name string) string { return filepath.Join(certs, name+".pem") }
	with := func(name, ca string) func(*server.Config) {
		files := transport.TLSFiles{Cert: pem(name), Key: pem(name + "-key"), CA: ca}
		return func(c *server.Config) {
			c.TLS = func() (*tls.Config, error) { return files.Config(transport.Server, "") }
		}
	}
	const at = "/v2/models/digits"
	clear := start(t, folder) + at
	here, elsewhere, old := start(t, folder, with("here", ""))+at, start(t, folder, with("elsewhere", ""))+at, start(t, folder, with("old", ""))+at
	both := start(t, folder, with("here", pem("ca"))) + at
	clients := filepath.Join(dir, "clients.json")
	token := filepath.Join(dir, "token")
	cut := filepath.Join(dir, "cut.png")
	seven, err := os.ReadFile(digits + "seven.png")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(clients, []byte(`{"clients":[{"name":"x","tokens_sha256":["`+sha("right")+`"]}]}`), 0o600), os.WriteFile(token, []byte("wrong"), 0o600),
		os.WriteFile(cut, seven[:100], 0o600), os.Mkdir(filepath.Join(dir, "empty"), 0o700)); err != nil {
		t.Fatal(err)
	}
	known := start(t, folder, func(c *server.Config) { c.Clients = clients }) + at
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ca := func(more ...string) []string {
		return append([]string{digits + "seven.png", "--tls-ca", pem("ca")}, more...)
	}
	one := []string{digits + "seven.png"}
	for what, c := range map[string]struct {
		url       string
		args      []string
		code      int
		says, way string
	}{
		"a missing file":              {clear, []string{"none.png"}, exit.Usage, "none.png", ""},
		"a broken file":               {clear, []string{cut}, exit.Usage, "cut.png", ""},
		"an empty folder":             {clear, []string{filepath.Join(dir, "empty")}, exit.Usage, "empty", "inputs are"},
		"no such model":               {clear + "x", one, exit.Usage, "no such model", "/v2/models"},
		"no answer's folder":          {clear, append([]string{"--out", token}, one...), exit.Usage, "--out", ""},
		"a digest that is none":       {clear, append([]string{"--plan-digest", "00"}, one...), exit.Usage, "--plan-digest", ""},
		"another digest":              {clear, append([]string{"--plan-digest", strings.Repeat("00", 32)}, one...), exit.Mismatch, "--plan-digest", "owner"},
		"a receipt's key of none":     {clear, append([]string{"--receipt-key", "xyz"}, one...), exit.Usage, "--receipt-key", ""},
		"no key of a signer":          {clear, append([]string{"--signed-by", "none.pub"}, one...), exit.Usage, "none.pub", ""},
		"an address in use":           {clear, []string{"--listen", taken.Addr().String()}, exit.Network, "--listen", "another port"},
		"an address without a port":   {clear, []string{"--listen", "127.0.0.1"}, exit.Usage, "--listen", "127.0.0.1:8001"},
		"a watched folder of none":    {clear, []string{"--watch", "none", "--out", dir}, exit.Usage, "none", ""},
		"nobody there":                {"http://127.0.0.1:1" + at, one, exit.Network, "127.0.0.1:1", "running"},
		"a proxy that refuses":        {"https://elsewhere.test" + at, one, exit.Network, "elsewhere.test", "NO_PROXY"},
		"TLS where there is none":     {strings.Replace(clear, "http", "https", 1), one, exit.Network, "HTTPS", "http://"},
		"no TLS where there is":       {strings.Replace(here, "https", "http", 1), one, exit.Network, "400", "https://"},
		"no authority":                {here, one, exit.Auth, "authority", "--tls-ca"},
		"another authority":           {here, append([]string{"--tls-ca", pem("otherca")}, one...), exit.Auth, "authority", "--tls-ca"},
		"another name":                {elsewhere, ca(), exit.Auth, "127.0.0.1", "--tls-server-name"},
		"a certificate that ran out":  {old, ca(), exit.Auth, "expired", "renew"},
		"no certificate of its own":   {both, ca(), exit.Auth, "certificate required", "--tls-cert"},
		"its own that has run out":    {both, ca("--tls-cert", pem("oldclient"), "--tls-key", pem("oldclient-key")), exit.Auth, "expired", "--tls-cert is not valid"},
		"a certificate without a key": {both, ca("--tls-cert", pem("client")), exit.Usage, "key", ""},
		"no file of an authority":     {here, append([]string{"--tls-ca", "none.pem"}, one...), exit.Usage, "none.pem", ""},
		"an unknown token":            {known, append([]string{"--token-file", token}, one...), exit.Auth, "401", "--token-file"},
		"no token":                    {known, one, exit.Auth, "401", "--token-file"},
	} {
		stdout, _, err := asked(t.Context(), t, append([]string{c.url, "--retry", "0s", "--json"}, c.args...)...)
		if exit.Code(err) != c.code || !strings.Contains(err.Error(), c.says) || !strings.Contains(exit.Hint(err), c.way) {
			t.Errorf("%s: exit %d, %v (%s)", what, exit.Code(err), err, exit.Hint(err))
			continue
		}
		var rec Record
		if json.Unmarshal([]byte(stdout), &rec) != nil || rec.Failure == nil || rec.Failure.Code != c.code || rec.Failure.Hint != exit.Hint(err) || !strings.Contains(rec.Failure.Message, c.says) {
			t.Errorf("%s: in JSON %s", what, stdout)
		}
	}
	if _, _, err := asked(t.Context(), t, append([]string{both}, ca("--tls-cert", pem("client"), "--tls-key", pem("client-key"))...)...); err != nil {
		t.Errorf("with all that is needed: %v", err)
	}
}

// A run ends at the first input when the others cannot fare better, and its last line says why.
func TestWhatIsInVainIsNotTried(t *testing.T) {
	folder, in, state := models(t), t.TempDir(), t.TempDir()
	for _, name := range []string{"a.png", "b.png", "c.png"} {
		copied(t, digits+"seven.png", filepath.Join(in, name))
	}
	key := filepath.Join(state, "key")
	url := start(t, folder, func(c *server.Config) { c.Receipts, c.Data = key, t.TempDir() }) + "/v2/models/digits"
	stdout, stderr, err := asked(t.Context(), t, url, in, "--json", "--receipt-key", strings.Repeat("00", 32))
	if exit.Code(err) != exit.Mismatch || !strings.Contains(err.Error(), "2 inputs were not tried") {
		t.Errorf("%v\n%s", err, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var last Record
	if len(lines) != 2 || json.Unmarshal([]byte(lines[1]), &last) != nil || last.Failure == nil || last.Failure.Code != exit.Mismatch || last.Input != "" {
		t.Errorf("%s", stdout)
	}
}
