package ask

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html"
	"maps"
	"slices"
	"strconv"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/frontend/input"
	"secc.example/secc/internal/safefile"
)

// writers make what --out holds beside the record.
var writers = map[string]func(*run, inference, *Record) error{
	"json": nil, // the record is always written
	"html": writePage, "png": writePNG, "sc": writeSC, "sr": writeSR,
}

// suffixes are what the files of kinds end in; the record's is asked for otherwise.
var suffixes = map[string]string{"html": ".html", "png": ".answer.png", "sc": ".sc.dcm", "sr": ".sr.dcm"}

func kinds() []string { return slices.Sorted(maps.Keys(writers)) }

//go:embed report.css
var style string

// page writes a report for people: one file that needs no network and says so in its
// policy. html/template would do the same, and make the client a quarter larger.
type page struct{ bytes.Buffer }

// add formats HTML. Strings may come from a stranger's plan or a file's name: all are
// escaped.
func (p *page) add(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = html.EscapeString(s)
		}
	}
	fmt.Fprintf(p, format, args...)
}

// writePage writes the report of an inference for people.
func writePage(r *run, q inference, rec *Record) error {
	p := new(page)
	p.add("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n")
	p.add("<title>%s – %s</title>\n", rec.Input, rec.Model)
	p.WriteString("<style>\n" + style + "</style>\n</head>\n<body>\n")
	p.add("<header><h1>%s</h1><p class=\"soft\">%s · %s</p></header>\n", rec.Model, rec.Input, rec.Time)
	for _, w := range rec.Warnings {
		p.add("<p class=\"warn\">%s</p>\n", w)
	}
	p.WriteString("<main>\n")
	for i, w := range input.Specs(r.plan) {
		one, of := w, 1
		if batch := r.plan.Batch(); batch > 1 && w.Examples() == batch {
			one, of = w.Example(), batch
		}
		for k, n := 0, one.N(); k < of; k++ {
			p.picture(one.Picture(q.values[i][k*n:(k+1)*n]), "The input as the network was given it. It did not leave this machine: the service saw only shares that are uniformly random to it.")
		}
	}
	p.WriteString("<section>\n")
	for _, a := range rec.Answers {
		p.answer(a, rec.image(a))
	}
	p.WriteString("</section>\n")
	p.facts(rec, r.plan.Reveal)
	p.WriteString("</main>\n</body>\n</html>\n")
	return safefile.Write(r.place(q.name, suffixes["html"]), p.Bytes(), safefile.Private)
}

// picture shows a PNG, if there is one.
func (p *page) picture(png []byte, caption string) {
	if png != nil {
		p.add("<figure><img src=\"data:image/png;base64,%s\" alt=\"%s\"><figcaption>%s</figcaption></figure>\n", base64.StdEncoding.EncodeToString(png), caption, caption)
	}
}

// answer shows the labels of an output, with bars where the scores are shares of one.
func (p *page) answer(a plan.Answer, about Image) {
	title := a.Output
	if about.File != "" {
		title += " – " + about.File
	}
	p.add("<h2>%s</h2>\n", title)
	if len(a.Labels) == 0 {
		p.add("<p>The output is a tensor; its values are in the JSON file beside this report.</p>\n")
		return
	}
	bars := a.Kind == plan.AnswerFindings || a.Kind == plan.AnswerShares || a.Kind == plan.AnswerPlaces
	p.add("<table><thead><tr><th scope=\"col\">%s</th><th scope=\"col\" class=\"n\">Score</th></tr></thead>\n<tbody>\n", map[bool]string{true: "Finding", false: "Class"}[a.Kind == plan.AnswerFindings])
	for _, l := range a.Labels {
		p.add("<tr><td>%s</td>", answer.Name(l))
		if per := 100 * min(max(l.Score, 0), 1); bars {
			p.add("<td class=\"n\">%.1f %%<div class=\"track\" aria-hidden=\"true\"><i style=\"width:%.1f%%\"></i></div></td></tr>\n", per, per)
		} else {
			p.add("<td class=\"n\">%.5g</td></tr>\n", l.Score)
		}
	}
	p.WriteString("</tbody></table>\n")
}

// facts says where an answer is from, and what there is to show for it.
func (p *page) facts(rec *Record, reveals plan.Reveal) {
	p.rows("Where this is from", [][2]string{
		{"Model", rec.Model}, {"Version", cmp.Or(rec.Version, "not told by the service")}, {"Service", rec.Address}, {"Date", rec.Time},
		{"Plan (SHA-256)", rec.PlanDigest}, {"Input (SHA-256)", rec.Digest}, {"Session", rec.Session},
		{"Revealed to this client", string(reveals)}, {"Cost", fmt.Sprintf("%s, %d rounds, %.2f s", answer.Bytes(rec.Bytes), rec.Rounds, rec.Seconds)},
	})
	for _, m := range rec.Images {
		number, frame := "", ""
		if m.Number != nil {
			number = strconv.Itoa(*m.Number)
		}
		if m.Frame > 0 {
			frame = strconv.Itoa(m.Frame)
		}
		if m.Instance != "" {
			p.rows("Image "+m.File, [][2]string{{"Study (UID)", m.Study}, {"Series (UID)", m.Series}, {"Image (SOP instance UID)", m.Instance}, {"Number in the series", number}, {"Frame", frame}})
		}
	}
	s := rec.Receipt
	switch {
	case s == nil:
		p.rows("Receipt", [][2]string{{"State", "none: the service signs no receipts"}})
	case !s.Verified:
		p.rows("Receipt", [][2]string{{"State", "not verified: " + s.Reason}, {"Key announced (Ed25519)", s.Key}})
	default:
		p.rows("Receipt", [][2]string{
			{"State", "verified: signed by the key below, for this session, this plan and all that both sides sent"},
			{"Number", rec.Session}, {"Digest (SHA-256)", s.Digest}, {"Key (Ed25519)", s.Key}, {"Signed at", s.Time},
			{"Weights (commitment)", s.Weights}, {"Service's program", s.Build}, {"Answers in the session", strconv.Itoa(s.Answers)}, {"Kept in", s.File},
		})
	}
}

// rows is a table of names and values; what is not known is left out.
func (p *page) rows(title string, rows [][2]string) {
	p.add("<table class=\"facts\"><caption>%s</caption><tbody>\n", title)
	for _, f := range rows {
		if f[1] != "" {
			p.add("<tr><th scope=\"row\">%s</th><td>%s</td></tr>\n", f[0], f[1])
		}
	}
	p.WriteString("</tbody></table>\n")
}
