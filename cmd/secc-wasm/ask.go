package main

import (
	"context"
	"fmt"
	"net"

	"secc.example/secc/backend/plan"
	"secc.example/secc/cmd/internal/answer"
	"secc.example/secc/frontend/input"
	"secc.example/secc/runtime"
	"secc.example/secc/runtime/client"
)

// question is what a page asks.
type question struct {
	plan    []byte
	files   []input.Held // one for each input of the network
	connect func(ctx context.Context) (net.Conn, error)
	warn    func(text string)
	done    func(part float64, next string) // how much of the predicted work is done, and what comes
}

// ask runs a session and says what the answer means.
func ask(ctx context.Context, q question) (*plan.Report, error) {
	p, err := plan.Decode(q.plan)
	if err != nil {
		return nil, err
	}
	tensors, err := input.Take(q.files, input.Specs(p))
	if err != nil {
		return nil, err
	}
	var values [][]float32
	for i, t := range tensors {
		values = append(values, t.Values)
		for _, text := range t.Warnings {
			q.warn(fmt.Sprintf("input %s: %s", p.Inputs[i].Name, text))
		}
	}
	for _, text := range runtime.Clipped(p, values) {
		q.warn(text)
	}
	c := client.Client{Plan: p, Connect: q.connect}
	c.Session.Progress = func(now runtime.Progress) {
		next := ""
		if now.Next != nil {
			next = now.Next.Name
		}
		q.done(float64(now.Call)/float64(max(1, now.Calls)), next)
	}
	r, err := c.Infer(ctx, values)
	if err != nil {
		return nil, err
	}
	answer.Fill(r, p, p.Labels, answer.Most{Classes: top, AllFindings: true})
	return r, nil
}

// top is how many classes an answer lists.
const top = 5

// draw shows the first input that is a picture as the network is given it: a PNG, or nil.
func draw(encoded []byte, files []input.Held) ([]byte, error) {
	p, err := plan.Decode(encoded)
	if err != nil {
		return nil, err
	}
	want := input.Specs(p)
	tensors, err := input.Take(files, want)
	if err != nil {
		return nil, err
	}
	for i, t := range tensors {
		if picture := want[i].Picture(t.Values); picture != nil {
			return picture, nil
		}
	}
	return nil, nil
}
