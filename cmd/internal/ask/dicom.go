package ask

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"time"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/frontend/input"
	"secc.example/secc/frontend/input/dicom"
	"secc.example/secc/internal/safefile"
)

// SOP classes (PS3.6, A) of what is written.
const (
	basicTextSR      = "1.2.840.10008.5.1.4.1.1.88.11"
	secondaryCapture = "1.2.840.10008.5.1.4.1.1.7"
)

// shown is a DICOM image that was asked about.
type shown struct {
	*dicom.Study
	frame int // of several; 0: it has but one
}

// shows gives the images of an input, by its paths; nil where one is no DICOM file.
func (r *run) shows(q inference) ([]*shown, error) {
	all := make([]*shown, len(q.paths))
	for i, p := range q.paths {
		b, err := input.ReadFile(input.Plain(p))
		if err != nil {
			return nil, err
		}
		if !dicom.Is(b) {
			r.noDICOM.Do(func() { r.log.Warn("no DICOM objects are written for inputs that are none", "file", q.name) })
			continue
		}
		s, err := dicom.StudyOf(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		all[i] = &shown{Study: s}
		if m := input.ImageOf(p); m != nil && m.Frames > 1 {
			all[i].frame = max(1, m.Frame)
		}
	}
	return all, nil
}

// reportSeries is the series that answers about images of a series are put into.
type reportSeries struct {
	uid  string
	last int // instance number
}

// object begins a DICOM object in the study of an image. Answers of a run to the images of a
// series make a series.
func (r *run) object(s *shown, class, modality string) dicom.Data {
	if r.reports == nil {
		r.reports = map[string]*reportSeries{}
	}
	key := class + " " + s.Study.Study + " " + s.Series
	in := r.reports[key]
	if in == nil {
		in = &reportSeries{uid: dicom.NewUID()}
		r.reports[key] = in
	}
	in.last++
	now := time.Now()
	date, clock := dicom.Text("DA", now.Format("20060102")), dicom.Text("TM", now.Format("150405"))
	d := dicom.Data{
		0x0008_0012: date, 0x0008_0013: clock, 0x0008_0016: dicom.UID(class), 0x0008_0018: dicom.UID(dicom.NewUID()),
		0x0008_0023: date, 0x0008_0033: clock, 0x0008_0060: dicom.Text("CS", modality), 0x0008_0070: dicom.Text("LO", "secc"),
		0x0008_103e: dicom.Text("LO", "secc"), 0x0018_1020: dicom.Text("LO", "secc"),
		0x0020_000e: dicom.UID(in.uid), 0x0020_0011: dicom.Text("IS", "1"), 0x0020_0013: dicom.Text("IS", strconv.Itoa(in.last)),
	}
	for t, v := range s.Repeated {
		d[t] = v
	}
	return d
}

// code is a coded entry: value, scheme, meaning.
func code(value, scheme, meaning string) dicom.Value {
	return dicom.Items(dicom.Data{0x0008_0100: dicom.Text("SH", value), 0x0008_0102: dicom.Text("SH", scheme), 0x0008_0104: dicom.Text("LO", meaning)})
}

// dcm is an entry of DICOM's own terms (PS3.16, D).
func dcm(value, meaning string) dicom.Value { return code(value, "DCM", meaning) }

// item is a content item of a report (PS3.3, C.17.3).
func item(relation, kind string, name dicom.Value, more dicom.Data) dicom.Data {
	d := dicom.Data{0x0040_a010: dicom.Text("CS", relation), 0x0040_a040: dicom.Text("CS", kind), 0x0040_a043: name}
	for t, v := range more {
		d[t] = v
	}
	return d
}

func textItem(relation string, name dicom.Value, s string) dicom.Data {
	return item(relation, "TEXT", name, dicom.Data{0x0040_a160: dicom.Text("UT", s)})
}

// reference names an image that was asked about.
func (s *shown) reference() dicom.Data {
	d := dicom.Data{0x0008_1150: dicom.UID(s.Class), 0x0008_1155: dicom.UID(s.Instance)}
	if s.frame > 0 {
		d[0x0008_1160] = dicom.Text("IS", strconv.Itoa(s.frame))
	}
	return d
}

// evidence names images by series, all of one study (PS3.3, C.17.2.3).
func evidence(all []*shown) dicom.Value {
	var order []string
	series := map[string][]dicom.Data{}
	for _, s := range all {
		if series[s.Series] == nil {
			order = append(order, s.Series)
		}
		series[s.Series] = append(series[s.Series], s.reference())
	}
	var items []dicom.Data
	for _, uid := range order {
		items = append(items, dicom.Data{0x0020_000e: dicom.UID(uid), 0x0008_1199: dicom.Items(series[uid]...)})
	}
	return dicom.Items(dicom.Data{0x0020_000d: dicom.UID(all[0].Study.Study), 0x0008_1115: dicom.Items(items...)})
}

// part is what one DICOM object is about: images, and the answers to them.
type part struct {
	images  []*shown
	answers []plan.Answer
	suffix  string // of the file
}

// parts gives an object to each image of a run of several examples, which may be of several
// patients; else one to all images of the first one's study.
func (r *run) parts(q inference, rec *Record) (all []part, err error) {
	images, err := r.shows(q)
	if err != nil {
		return nil, err
	}
	if r.plan.Batch() > 1 && len(images) == r.plan.Batch() {
		for i, s := range images {
			if s == nil {
				continue
			}
			p := part{images: []*shown{s}, suffix: fmt.Sprintf(".%d", i+1)}
			for _, a := range rec.Answers {
				if a.Input == i+1 {
					p.answers = append(p.answers, a)
				}
			}
			all = append(all, p)
		}
		return all, nil
	}
	p := part{answers: rec.Answers}
	for _, s := range images {
		switch {
		case s == nil:
		case len(p.images) > 0 && s.Study.Study != p.images[0].Study.Study:
			r.log.Warn("an input of another study is not named in the DICOM objects", "file", q.name)
		default:
			p.images = append(p.images, s)
		}
	}
	if len(p.images) > 0 {
		all = append(all, p)
	}
	return all, nil
}

// writeSR writes the answers as Basic Text SRs (PS3.3, A.35.1) that refer to their images.
func writeSR(r *run, q inference, rec *Record) error {
	parts, err := r.parts(q, rec)
	if err != nil {
		return err
	}
	for _, p := range parts {
		b, err := r.report(p, rec).Encode()
		if err != nil {
			return err
		}
		if err := safefile.Write(r.place(q.name, p.suffix+suffixes["sr"]), b, safefile.Private); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) report(p part, rec *Record) dicom.Data {
	d := r.object(p.images[0], basicTextSR, "SR")
	says := p.images[0].Characters(d)
	var findings []dicom.Data
	for _, a := range p.answers {
		for _, l := range a.Labels {
			findings = append(findings, textItem("CONTAINS", dcm("121071", "Finding"), says(answer.Brief(a.Kind, l))))
		}
		if len(a.Labels) == 0 {
			findings = append(findings, textItem("CONTAINS", dcm("121071", "Finding"), says(a.Output+": values, not classes")))
		}
	}
	origin := fmt.Sprintf("Computed by the model %s, version %s, at %s from shares of the image, which the service did not see. Plan SHA-256 %s. Input SHA-256 %s. Session %s. Not verified by a physician.",
		rec.Model, cmp.Or(rec.Version, "not told"), rec.Address, rec.PlanDigest, rec.Digest, rec.Session)
	content := []dicom.Data{
		item("HAS OBS CONTEXT", "CODE", dcm("121005", "Observer Type"), dicom.Data{0x0040_a168: dcm("121007", "Device")}),
		item("HAS OBS CONTEXT", "UIDREF", dcm("121012", "Device Observer UID"), dicom.Data{0x0040_a124: dicom.UID(dicom.NewUID())}),
		textItem("HAS OBS CONTEXT", dcm("121013", "Device Observer Name"), "secc"),
		item("CONTAINS", "CONTAINER", dcm("121070", "Findings"), dicom.Data{0x0040_a050: dicom.Text("CS", "SEPARATE"), 0x0040_a730: dicom.Items(findings...)}),
	}
	for _, s := range p.images {
		content = append(content, item("CONTAINS", "IMAGE", dcm("121080", "Best illustration of finding"), dicom.Data{0x0008_1199: dicom.Items(s.reference())}))
	}
	content = append(content, textItem("CONTAINS", dcm("121106", "Comment"), says(origin)))
	for _, w := range rec.Warnings {
		content = append(content, textItem("CONTAINS", dcm("121106", "Comment"), says("Warning: "+w)))
	}
	for t, v := range (dicom.Data{
		0x0008_1111: dicom.Items(), 0x0040_a372: dicom.Items(), 0x0040_a375: evidence(p.images),
		0x0040_a491: dicom.Text("CS", "COMPLETE"), 0x0040_a493: dicom.Text("CS", "UNVERIFIED"),
		0x0040_a040: dicom.Text("CS", "CONTAINER"), 0x0040_a043: code("18748-4", "LN", "Diagnostic imaging report"),
		0x0040_a050: dicom.Text("CS", "SEPARATE"), 0x0040_a730: dicom.Items(content...),
	}) {
		d[t] = v
	}
	return d
}

// pictureOf draws the first output that is one: values as grey levels, or classes of places
// in colours over the input.
func (r *run) pictureOf(q inference, rec *Record) image.Image {
	for k, o := range rec.Outputs {
		kind, _ := r.plan.KindOf(k)
		if kind == plan.AnswerPlaces {
			if img := overlay(o, r.under(q)); img != nil {
				return img
			}
			continue
		}
		if b := input.Draw(o.Values, o.Shape, plan.Preprocess{}); kind == plan.AnswerTensor && b != nil {
			if img, err := png.Decode(bytes.NewReader(b)); err == nil {
				return img
			}
		}
	}
	return nil
}

// under is the input as a picture; nil if it is none.
func (r *run) under(q inference) image.Image {
	for i, w := range input.Specs(r.plan) {
		if b := w.Picture(q.values[i]); b != nil {
			if img, err := png.Decode(bytes.NewReader(b)); err == nil {
				return img
			}
		}
	}
	return nil
}

// paints are the colours of the classes 1, 2, ... of places: those of Okabe and Ito, which
// can be told apart by the colour-blind. Class 0 is the background.
var paints = []color.NRGBA{{230, 159, 0, 255}, {86, 180, 233, 255}, {0, 158, 115, 255}, {240, 228, 66, 255}, {0, 114, 178, 255}, {213, 94, 0, 255}, {204, 121, 167, 255}}

// overlay paints the classes of places [..., H, W] over a picture.
func overlay(o plan.OutputValues, under image.Image) image.Image {
	n := len(o.Shape)
	if n < 2 {
		return nil
	}
	high, wide := o.Shape[n-2], o.Shape[n-1]
	if high < 2 || wide < 2 || len(o.Values) < high*wide {
		return nil
	}
	img := image.NewNRGBA(image.Rect(0, 0, wide, high))
	for i := range high * wide {
		x, y := i%wide, i/wide
		at := color.NRGBA{A: 255}
		if under != nil {
			b := under.Bounds()
			at = color.NRGBAModel.Convert(under.At(b.Min.X+x*b.Dx()/wide, b.Min.Y+y*b.Dy()/high)).(color.NRGBA)
		}
		if class := int(o.Values[i]); class > 0 {
			p := paints[(class-1)%len(paints)]
			at = color.NRGBA{mixed(at.R, p.R), mixed(at.G, p.G), mixed(at.B, p.B), 255}
		}
		img.SetNRGBA(x, y, at)
	}
	return img
}

func mixed(a, b uint8) uint8 { return uint8((uint16(a) + uint16(b)) / 2) }

// writePNG writes the answer of a network whose output is a picture.
func writePNG(r *run, q inference, rec *Record) error {
	img := r.pictureOf(q, rec)
	if img == nil {
		return nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return err
	}
	return safefile.Write(r.place(q.name, suffixes["png"]), b.Bytes(), safefile.Private)
}

// writeSC writes the same as a Secondary Capture (PS3.3, A.8.1) in the study of the input.
func writeSC(r *run, q inference, rec *Record) error {
	img := r.pictureOf(q, rec)
	if img == nil {
		return nil
	}
	parts, err := r.parts(q, rec)
	if err != nil || len(parts) == 0 {
		return err
	}
	s := parts[0].images[0] // the picture is of the first
	d := r.object(s, secondaryCapture, "OT")
	says := s.Characters(d)
	pixels, samples, meaning := raw(img)
	size := img.Bounds().Size()
	for t, v := range (dicom.Data{
		0x0008_0008: dicom.Text("CS", `DERIVED\SECONDARY`), 0x0008_0064: dicom.Text("CS", "WSD"),
		0x0008_2111: dicom.Text("ST", says(fmt.Sprintf("Output of the model %s, plan SHA-256 %s, session %s", rec.Model, rec.PlanDigest, rec.Session))),
		0x0008_2112: dicom.Items(s.reference()), 0x0020_0020: dicom.Text("CS", ""), 0x0020_0060: dicom.Text("CS", ""),
		0x0028_0002: dicom.Words(samples), 0x0028_0004: dicom.Text("CS", meaning), 0x0028_0010: dicom.Words(uint16(size.Y)), 0x0028_0011: dicom.Words(uint16(size.X)),
		0x0028_0100: dicom.Words(8), 0x0028_0101: dicom.Words(8), 0x0028_0102: dicom.Words(7), 0x0028_0103: dicom.Words(0), 0x7fe0_0010: dicom.Bytes(pixels),
	}) {
		d[t] = v
	}
	if samples == 3 {
		d[0x0028_0006] = dicom.Words(0) // red, green, blue of each pixel together
	}
	b, err := d.Encode()
	if err != nil {
		return err
	}
	return safefile.Write(r.place(q.name, suffixes["sc"]), b, safefile.Private)
}

// raw gives the pixels of a picture, how many samples each has, and what they mean.
func raw(img image.Image) (pixels []byte, samples uint16, meaning string) {
	b := img.Bounds()
	if g, ok := img.(*image.Gray); ok {
		for y := range b.Dy() {
			pixels = append(pixels, g.Pix[y*g.Stride:y*g.Stride+b.Dx()]...)
		}
		return pixels, 1, "MONOCHROME2"
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			pixels = append(pixels, c.R, c.G, c.B)
		}
	}
	return pixels, 3, "RGB"
}
