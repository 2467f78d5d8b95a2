// Package dicom reads the image of a DICOM file as a viewer would show it: one
// grey-level frame with rescaling, window and polarity applied (PS3.3 C.11).
//
// It has a reader of its own for the data elements. Files may come from anybody,
// so that nesting, unpacked sizes and the number of elements must be bounded
// before memory is taken; and only the attributes that the picture needs are
// kept, so that nothing that names a patient can come into an error or a log.
package dicom
