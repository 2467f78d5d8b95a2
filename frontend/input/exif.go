package input

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
)

// orientation reads how a camera was held: the EXIF attribute of a JPEG or PNG
// file, 1 to 8; 1, upright, if there is none.
func orientation(b []byte) int {
	if tiff := exifOf(b); tiff != nil {
		return tiffOrientation(tiff)
	}
	return 1
}

// exifOf finds the TIFF structure that EXIF is.
func exifOf(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("\x89PNG")) {
		for at := 8; at+12 <= len(b); {
			n := int(binary.BigEndian.Uint32(b[at:]))
			if n > len(b)-at-12 {
				return nil
			}
			if string(b[at+4:at+8]) == "eXIf" {
				return bytes.TrimPrefix(b[at+8:at+8+n], []byte("Exif\x00\x00"))
			}
			at += 12 + n
		}
		return nil
	}
	const app1, scan = 0xe1, 0xda
	for at := 2; at+4 <= len(b) && b[at] == 0xff && b[at+1] != scan; {
		if b[at+1] == 0xff { // fill
			at++
			continue
		}
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		if n < 2 || at+2+n > len(b) {
			return nil
		}
		segment := b[at+4 : at+2+n]
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && b[at+1] == app1 {
			return tiff
		}
		at += 2 + n
	}
	return nil
}

// tiffOrientation reads the attribute from the first directory.
func tiffOrientation(b []byte) int {
	const tagOrientation, short, long = 0x0112, 3, 4
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case len(b) < 8:
		return 1
	case bytes.HasPrefix(b, []byte("MM")):
		order = binary.BigEndian
	case !bytes.HasPrefix(b, []byte("II")):
		return 1
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	n := int(order.Uint16(b[at:]))
	for b = b[at+2:]; n > 0 && len(b) >= 12; n, b = n-1, b[12:] {
		if order.Uint16(b) != tagOrientation {
			continue
		}
		v := 0
		switch order.Uint16(b[2:]) {
		case short:
			v = int(order.Uint16(b[8:]))
		case long:
			v = int(order.Uint32(b[8:]))
		}
		if v >= 1 && v <= 8 {
			return v
		}
		return 1
	}
	return 1
}

// turned is an image seen upright.
type turned struct {
	image.Image
	how int
}

// upright turns an image as its orientation says.
func upright(img image.Image, how int) image.Image {
	if how <= 1 {
		return img
	}
	return &turned{img, how}
}

// Bounds begin at zero; from orientation 5 on, width and height change places.
func (t *turned) Bounds() image.Rectangle {
	b := t.Image.Bounds()
	if t.how >= 5 {
		return image.Rect(0, 0, b.Dy(), b.Dx())
	}
	return image.Rect(0, 0, b.Dx(), b.Dy())
}

func (t *turned) At(x, y int) color.Color { return t.Image.At(t.place(x, y)) }

// RGBA64At is At without a detour, as the standard library's images have it.
func (t *turned) RGBA64At(x, y int) color.RGBA64 {
	x, y = t.place(x, y)
	if m, ok := t.Image.(image.RGBA64Image); ok {
		return m.RGBA64At(x, y)
	}
	r, g, b, a := t.Image.At(x, y).RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// place is where a pixel stands in the file.
func (t *turned) place(x, y int) (int, int) {
	b := t.Image.Bounds()
	if t.how >= 5 {
		x, y = y, x
	}
	right, bottom := b.Dx()-1, b.Dy()-1
	switch t.how { // where row 0 and column 0 of the file are to be seen
	case 2: // top, right
		x = right - x
	case 3: // bottom, right
		x, y = right-x, bottom-y
	case 4: // bottom, left
		y = bottom - y
	case 6: // right, top
		y = bottom - y
	case 7: // right, bottom
		x, y = right-x, bottom-y
	case 8: // left, bottom
		x = right - x
	}
	return b.Min.X + x, b.Min.Y + y
}
