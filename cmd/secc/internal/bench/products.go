package bench

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"secc.example/secc/backend"
	"secc.example/secc/backend/choose"
	"secc.example/secc/backend/plan"
	"secc.example/secc/backend/plan/wire"
	"secc.example/secc/cmd/internal/exit"
	"secc.example/secc/cmd/internal/process"
	"secc.example/secc/ir"
	secc "secc.example/secc/runtime"
	"secc.example/secc/runtime/mpc/he"
	"secc.example/secc/runtime/mpc/ring"
	"secc.example/secc/runtime/transport"
)

// productRow is a product of shared matrices over RLWE. Bytes are those of the
// product alone; the keys that all rows share are in bytes_keys.
type productRow struct {
	Product       string  `json:"product"`
	Batch         int     `json:"batch"`
	M             int     `json:"m"`
	K             int     `json:"k"` // of the inner product
	N             int     `json:"n"`
	Bits          int     `json:"bits"` // of the factors' ring: the product is rounded by shift
	Shift         int     `json:"shift"`
	Exact         bool    `json:"exact,omitempty"`
	Profile       string  `json:"profile"`
	Digits        [2]int  `json:"digits"` // of the server's shares, a cross term each
	BytesTotal    int64   `json:"bytes_total"`
	BytesToServer int64   `json:"bytes_client_to_server"`
	BytesToClient int64   `json:"bytes_server_to_client"`
	BytesKeys     int64   `json:"bytes_keys"`
	BytesGilbert  int64   `json:"bytes_over_ot"` // of the same product element by element, correlated OTs left out
	Seconds       float64 `json:"seconds"`
	ServerCPU     float64 `json:"server_cpu_seconds"`
	ClientCPU     float64 `json:"client_cpu_seconds"`
	Wrong         int     `json:"wrong"` // results off by more than one
	AsPredicted   bool    `json:"as_predicted"`
}

// productFormat is what attention over 16 bits multiplies in.
var productFormat = struct{ bits, shift int }{25, 9}

// benchedProducts are those of one attention layer of BERT-base over 128 tokens.
func benchedProducts() (names []string, ms []*plan.Mul) {
	return []string{"QK^T, 12 heads, 128 tokens", "AV, 12 heads, 128 tokens"}, []*plan.Mul{
		{Batch: 12, M: 128, K: 64, N: 128, Shift: productFormat.shift},
		{Batch: 12, M: 128, K: 128, N: 64, Shift: productFormat.shift},
	}
}

func productsCommand() *cobra.Command {
	var profile string
	return two[productRow]{
		name: "products", short: "Measure products of two shared matrices under encryption: an attention layer of BERT-base",
		flags: func(fl *pflag.FlagSet) {
			fl.StringVar(&profile, "profile", "lan", "network that encodings are chosen for: lan, wan, loopback or rtt=40ms,bw=400M")
		},
		ready: func() (measurement[productRow], error) {
			p, err := choose.ParseProfile(profile)
			if err != nil {
				return nil, exit.Usagef("%v", err)
			}
			names, ms := benchedProducts()
			b := &productBench{names: names, products: ms, profile: p.Name}
			return b.run, (choose.Search{Profile: p}).Products(productFormat.bits, ms...)
		},
		print: printProducts,
	}.command()
}

// productBench is products that share a session's keys.
type productBench struct {
	names    []string
	products []*plan.Mul
	profile  string
}

func (b *productBench) run(ctx context.Context, m *transport.Mux, role transport.Role) ([]productRow, error) {
	var terms []*plan.Linear
	for _, p := range b.products {
		for t := range p.Cross {
			terms = append(terms, p.CrossTerm(t, productFormat.bits))
		}
	}
	keys, err := plan.KeysOf(terms)
	if err != nil {
		return nil, err
	}
	keys.Modulus = backend.Modulus()
	sync, conn := m.Channel(0), m.Channel(1)
	party := linearParty{role: role}
	if err := party.setUp(ctx, conn, keys); err != nil {
		return nil, err
	}
	var rows []productRow
	for i, p := range b.products {
		row, err := b.one(ctx, sync, conn, &party, p, keys)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.names[i], err)
		}
		row.Product = b.names[i]
		rows = append(rows, row)
	}
	return rows, nil
}

// one runs a product of random shares; the client opens its shares to the server,
// which counts the results that are wrong.
func (b *productBench) one(ctx context.Context, sync, conn transport.Conn, party *linearParty, m *plan.Mul, keys wire.LinearKeys) (productRow, error) {
	bits := productFormat.bits
	row := productRow{Batch: m.Batch, M: m.M, K: m.K, N: m.N, Bits: bits, Shift: m.Shift, Exact: m.Exact, Profile: b.profile}
	var up, down int64
	for t := range m.Cross {
		row.Digits[t] = m.Cross[t].Digits(bits)
		c := m.CrossTerm(t, bits).EngineCost()
		up, down = up+c.ToServer(), down+c.ToClient()
	}
	toClient, toServer := keys.Bytes()
	row.BytesKeys = toClient + toServer
	ot := plan.CostMul(0, bits, &plan.Mul{Batch: m.Batch, M: m.M, K: m.K, N: m.N})
	row.BytesGilbert = ot.ToServer() + ot.ToClient()
	x, err := randomShare(m.Batch*m.M*m.K, bits)
	if err != nil {
		return row, err
	}
	y, err := randomShare(m.Batch*m.K*m.N, bits)
	if err != nil {
		return row, err
	}
	before := conn.Stats()
	if err := barrier(sync); err != nil {
		return row, err
	}
	start, cpu := time.Now(), process.CPUSeconds()
	z, err := party.product(ctx, conn, m, x, y)
	if err != nil {
		return row, err
	}
	row.ServerCPU = process.CPUSeconds() - cpu
	if row.ClientCPU, err = exchange(sync, row.ServerCPU); err != nil {
		return row, err
	}
	row.Seconds = time.Since(start).Seconds()
	after := conn.Stats()
	row.BytesToServer, row.BytesToClient = after.Received-before.Received, after.Sent-before.Sent
	row.BytesTotal = row.BytesToServer + row.BytesToClient
	row.AsPredicted = row.BytesToServer == up && row.BytesToClient == down
	row.Wrong, err = wrongProducts(sync, party.role, m, x, y, z)
	return row, err
}

func (p *linearParty) product(ctx context.Context, conn transport.Conn, m *plan.Mul, x, y []uint64) ([]uint64, error) {
	terms, err := secc.ProductTerms(m, productFormat.bits, p.role, x, y)
	if err != nil {
		return nil, err
	}
	turn := func() *he.Turn {
		if p.role == transport.Server {
			return p.server.Turn()
		}
		return p.client.Turn()
	}
	for i := range terms {
		terms[i].Turn = turn()
	}
	own := secc.OwnProduct(m, x, y)
	if p.role == transport.Server {
		return p.server.Sum(ctx, conn, terms, own, 1)
	}
	return p.client.Sum(ctx, conn, terms, own, 1)
}

// wrongProducts: the client opens its shares to the server, which counts the
// results that are off by more than one.
func wrongProducts(conn transport.Conn, role transport.Role, m *plan.Mul, x, y, z []uint64) (wrong int, err error) {
	bits, result := productFormat.bits, productFormat.bits-m.Shift
	if x, err = opened(conn, role, x, bits); err != nil {
		return 0, err
	}
	if y, err = opened(conn, role, y, bits); err != nil {
		return 0, err
	}
	if z, err = opened(conn, role, z, result); err != nil || role == transport.Client {
		return 0, err
	}
	for i, acc := range secc.OwnProduct(m, x, y) {
		want := ring.Signed(acc+1<<(m.Shift-1), bits) >> m.Shift
		if d := ring.Signed(z[i]-uint64(want), result); d < -1 || d > 1 {
			wrong++
		}
	}
	return wrong, nil
}

func printProducts(w io.Writer, rep Report[productRow]) error {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"product", "bits", "digits", "MiB", "to server", "to client", "over OT", "seconds", "server CPU s", "client CPU s", "wrong"})
	mib := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/(1<<20)) }
	sum := int64(0)
	for _, r := range rep.Rows {
		t.AppendRow(table.Row{r.Product, ir.Elem{Bits: r.Bits, Frac: r.Shift}, r.Digits, mib(r.BytesTotal), mib(r.BytesToServer), mib(r.BytesToClient), mib(r.BytesGilbert),
			fmt.Sprintf("%.2f", r.Seconds), fmt.Sprintf("%.2f", r.ServerCPU), fmt.Sprintf("%.2f", r.ClientCPU), r.Wrong})
		sum += r.BytesTotal
	}
	_, err := fmt.Fprintf(w, "%s; encodings for %s, one core a party; %s MiB together, keys of %s MiB left out\n%s\n",
		rep.Machine, rep.Rows[0].Profile, mib(sum), mib(rep.Rows[0].BytesKeys), t.Render())
	return err
}
