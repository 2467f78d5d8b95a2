package dicom

import (
	"errors"
	"fmt"
	"strings"

	"secc.example/secc/frontend/input/internal/hint"
)

// The transfer syntaxes that are read.
const (
	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	deflated       = "1.2.840.10008.1.2.1.99"
	bigEndian      = "1.2.840.10008.1.2.2"
	jpegBaseline   = "1.2.840.10008.1.2.4.50"
	jpegExtended   = "1.2.840.10008.1.2.4.51" // frames of 12 bits are refused where they are met
	jpegLossless   = "1.2.840.10008.1.2.4.57"
	jpegLosslessP1 = "1.2.840.10008.1.2.4.70"
	rleLossless    = "1.2.840.10008.1.2.5"
)

// unpackers read a frame of a packed transfer syntax into stored values.
var unpackers = map[string]func(h *picture, frame []byte, out []float32) error{
	jpegBaseline: (*picture).baseline, jpegExtended: (*picture).baseline,
	jpegLossless: (*picture).lossless, jpegLosslessP1: (*picture).lossless,
	rleLossless: (*picture).rle,
}

// packedSyntaxes are those that hospitals use and that are not read, with the
// command that unpacks them.
var packedSyntaxes = []struct{ id, name, unpack string }{
	{"1.2.840.10008.1.2.4.80", "JPEG-LS lossless", "dcmdjpls in.dcm out.dcm"},
	{"1.2.840.10008.1.2.4.81", "JPEG-LS near-lossless", "dcmdjpls in.dcm out.dcm"},
	{"1.2.840.10008.1.2.4.90", "JPEG 2000 lossless", gdcmUnpack},
	{"1.2.840.10008.1.2.4.91", "JPEG 2000", gdcmUnpack},
}

const gdcmUnpack = "gdcmconv --raw in.dcm out.dcm"

// known refuses what would come out wrong, by its name and with a way out.
func known(id string) error {
	switch id {
	case "", implicitLittle, explicitLittle, bigEndian, deflated:
		return nil
	}
	if unpackers[id] != nil {
		return nil
	}
	for _, s := range packedSyntaxes {
		if s.id == id {
			return hint.With(fmt.Errorf("dicom: transfer syntax %s (%s) is not read", s.name, s.id), "unpack the file first: "+s.unpack)
		}
	}
	// Not quoted as it stands: the field of a damaged file may hold anything.
	if strings.Trim(id, "0123456789.") != "" || len(id) > 64 {
		return errors.New("dicom: the transfer syntax is not a UID")
	}
	return hint.With(fmt.Errorf("dicom: transfer syntax %s is not read", id), "unpack the file first: "+gdcmUnpack)
}
