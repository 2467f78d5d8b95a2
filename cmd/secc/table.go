package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/cmd/internal/out"
)

// bytesText prints a number of bytes for people.
func bytesText(n int64) string { return answer.Bytes(n) }

// printCost prints the cost table. Local steps, which send nothing, are summed
// up in one line unless all is set.
func printCost(w io.Writer, r *plan.Report, all bool) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Format.Footer = text.FormatDefault
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 5, Align: text.AlignRight, AlignFooter: text.AlignRight}, {Number: 6, Align: text.AlignRight, AlignFooter: text.AlignRight},
		{Number: 7, Align: text.AlignRight, AlignFooter: text.AlignRight}, {Number: 8, Align: text.AlignRight, AlignFooter: text.AlignRight},
		{Number: 9, Align: text.AlignRight, AlignFooter: text.AlignRight},
	})
	t.AppendHeader(table.Row{"operator", "op", "protocol", "format", "to server", "to client", "rounds", "COTs", "seconds"})
	local := 0
	for _, o := range r.Operators {
		if !all && o.ClientToServer+o.ServerToClient == 0 {
			local++
			continue
		}
		t.AppendRow(table.Row{shorten(o.Name, 36), o.Op, o.Protocol, o.Format, bytesText(o.ClientToServer), bytesText(o.ServerToClient), o.Rounds, o.COTs, secondsText(o.Seconds)})
	}
	s, n := r.Total.Setup, r.Total.Online
	t.AppendSeparator()
	t.AppendRow(table.Row{"set-up", "", "", "", bytesText(s.ClientToServer), bytesText(s.ServerToClient), s.Rounds, s.COTs, secondsText(s.Seconds)})
	t.AppendRow(table.Row{"online", "", "", "", bytesText(n.ClientToServer), bytesText(n.ServerToClient), n.Rounds, n.COTs, secondsText(n.Seconds)})
	t.AppendFooter(table.Row{"total", "", "", "", "", bytesText(r.Total.Bytes), r.Total.Rounds, "", secondsText(r.Total.Seconds)})
	t.Render()
	if p := r.Prepared; p != nil {
		fmt.Fprintf(w, "prepared (--prepare): online %s, %d rounds, %s s; before %s, %d rounds, %s s; kept %s at the server and %s at the client\n",
			bytesText(p.Online.ClientToServer+p.Online.ServerToClient), p.Online.Rounds, secondsText(p.Online.Seconds),
			bytesText(p.Bytes-p.Online.ClientToServer-p.Online.ServerToClient), p.Rounds-p.Online.Rounds, secondsText(p.Seconds-p.Online.Seconds),
			bytesText(p.Store.Server), bytesText(p.Store.Client))
	}
	if p := r.PerInput; p != nil {
		fmt.Fprintf(w, "per input (%d in one run): %s, of these %s online, %s s\n", p.Inputs, bytesText(int64(p.Bytes)), bytesText(int64(p.Online)), secondsText(p.Seconds))
	}
	if m := r.LinearMemory; m != nil {
		fmt.Fprintf(w, "linear operators hold up to %s at the server and %s at the client\n", bytesText(m.Server), bytesText(m.Client))
	}
	fmt.Fprintf(w, "a run holds at most %s at the server and %s at the client\n", bytesText(r.Memory.Server), bytesText(r.Memory.Client))
	if local > 0 {
		fmt.Fprintf(w, "%d local steps send nothing and are left out (--all shows them)\n", local)
	}
}

func secondsText(s float64) string { return fmt.Sprintf("%.3f", s) }

// shorten keeps the end of a name, which tells operators apart.
func shorten(s string, n int) string {
	s = out.Line(s)
	if i := strings.Index(s, ", "); i > 0 && len(s) > n {
		s = s[:i] + fmt.Sprintf(" (and %d more)", strings.Count(s, ", "))
	}
	if len(s) > n {
		return "..." + s[len(s)-n+3:]
	}
	return s
}
