package ask

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
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

// object begins a DICOM object in the study of the input; nil if that is no DICOM file. It
// is of a new series.
func (r *run) object(q inference, class, modality string) (*dicom.Study, dicom.Data, error) {
	b, err := input.ReadFile(input.Plain(q.paths[0]))
	if err != nil {
		return nil, nil, err
	}
	if !dicom.Is(b) {
		r.noDICOM.Do(func() { r.log.Warn("no DICOM objects are written for inputs that are none", "file", q.name) })
		return nil, nil, nil
	}
	s, err := dicom.StudyOf(b)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	date, clock := dicom.Text("DA", now.Format("20060102")), dicom.Text("TM", now.Format("150405"))
	d := dicom.Data{
		0x0008_0012: date, 0x0008_0013: clock, 0x0008_0016: dicom.UID(class), 0x0008_0018: dicom.UID(dicom.NewUID()),
		0x0008_0023: date, 0x0008_0033: clock, 0x0008_0060: dicom.Text("CS", modality), 0x0008_0070: dicom.Text("LO", "secc"),
		0x0008_103e: dicom.Text("LO", "secc"), 0x0018_1020: dicom.Text("LO", "secc"),
		0x0020_000e: dicom.UID(dicom.NewUID()), 0x0020_0011: dicom.Text("IS", "1"), 0x0020_0013: dicom.Text("IS", "1"),
	}
	for t, v := range s.Repeated {
		d[t] = v
	}
	return s, d, nil
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

// reference names the image that was asked about.
func reference(s *dicom.Study) dicom.Value {
	return dicom.Items(dicom.Data{0x0008_1150: dicom.UID(s.Class), 0x0008_1155: dicom.UID(s.Instance)})
}

// writeSR writes the answer as a Basic Text SR (PS3.3, A.35.1) that refers to the image.
func writeSR(r *run, q inference, rec *Record) error {
	s, d, err := r.object(q, basicTextSR, "SR")
	if s == nil || err != nil {
		return err
	}
	says := s.Characters(d)
	var findings []dicom.Data
	for _, a := range rec.Answers {
		for _, l := range a.Labels {
			findings = append(findings, textItem("CONTAINS", dcm("121071", "Finding"), says(answer.Brief(a.Kind, l))))
		}
		if len(a.Labels) == 0 {
			findings = append(findings, textItem("CONTAINS", dcm("121071", "Finding"), says(a.Output+": values, not classes")))
		}
	}
	origin := fmt.Sprintf("Computed by the model %s at %s from shares of the image, which the service did not see. Plan SHA-256 %s. Input SHA-256 %s. Session %s. Not verified by a physician.",
		rec.Model, rec.Address, rec.PlanDigest, rec.Digest, rec.Session)
	content := []dicom.Data{
		item("HAS OBS CONTEXT", "CODE", dcm("121005", "Observer Type"), dicom.Data{0x0040_a168: dcm("121007", "Device")}),
		item("HAS OBS CONTEXT", "UIDREF", dcm("121012", "Device Observer UID"), dicom.Data{0x0040_a124: dicom.UID(dicom.NewUID())}),
		textItem("HAS OBS CONTEXT", dcm("121013", "Device Observer Name"), "secc"),
		item("CONTAINS", "CONTAINER", dcm("121070", "Findings"), dicom.Data{0x0040_a050: dicom.Text("CS", "SEPARATE"), 0x0040_a730: dicom.Items(findings...)}),
		item("CONTAINS", "IMAGE", dcm("121080", "Best illustration of finding"), dicom.Data{0x0008_1199: reference(s)}),
		textItem("CONTAINS", dcm("121106", "Comment"), says(origin)),
	}
	for _, w := range rec.Warnings {
		content = append(content, textItem("CONTAINS", dcm("121106", "Comment"), says("Warning: "+w)))
	}
	for t, v := range (dicom.Data{
		0x0008_1111: dicom.Items(), 0x0040_a372: dicom.Items(),
		0x0040_a375: dicom.Items(dicom.Data{0x0020_000d: dicom.UID(s.Study), 0x0008_1115: dicom.Items(dicom.Data{0x0020_000e: dicom.UID(s.Series), 0x0008_1199: reference(s)})}),
		0x0040_a491: dicom.Text("CS", "COMPLETE"), 0x0040_a493: dicom.Text("CS", "UNVERIFIED"),
		0x0040_a040: dicom.Text("CS", "CONTAINER"), 0x0040_a043: code("18748-4", "LN", "Diagnostic imaging report"),
		0x0040_a050: dicom.Text("CS", "SEPARATE"), 0x0040_a730: dicom.Items(content...),
	}) {
		d[t] = v
	}
	b, err := d.Encode()
	if err != nil {
		return err
	}
	return safefile.Write(r.place(q.name, ".sr.dcm"), b, safefile.Private)
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
		if b := input.Draw(o.Values, o.Shape, false, false); kind == plan.AnswerTensor && b != nil {
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
	return safefile.Write(r.place(q.name, ".answer.png"), b.Bytes(), safefile.Private)
}

// writeSC writes the same as a Secondary Capture (PS3.3, A.8.1) in the study of the input.
func writeSC(r *run, q inference, rec *Record) error {
	img := r.pictureOf(q, rec)
	if img == nil {
		return nil
	}
	s, d, err := r.object(q, secondaryCapture, "OT")
	if s == nil || err != nil {
		return err
	}
	says := s.Characters(d)
	pixels, samples, meaning := raw(img)
	size := img.Bounds().Size()
	for t, v := range (dicom.Data{
		0x0008_0008: dicom.Text("CS", `DERIVED\SECONDARY`), 0x0008_0064: dicom.Text("CS", "WSD"),
		0x0008_2111: dicom.Text("ST", says(fmt.Sprintf("Output of the model %s, plan SHA-256 %s, session %s", rec.Model, rec.PlanDigest, rec.Session))),
		0x0008_2112: reference(s), 0x0020_0020: dicom.Text("CS", ""), 0x0020_0060: dicom.Text("CS", ""),
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
	return safefile.Write(r.place(q.name, ".sc.dcm"), b, safefile.Private)
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
