.PHONY: build test demo lint fuzz ci generate
build:    ; go build -o bin/secc ./cmd/secc
test:     ; go test ./...
demo:     ; go run ./cmd/secc demo
lint:     ; gofmt -l . && go vet ./... && scripts/lint
fuzz:     ; scripts/fuzz 1m
ci:       ; .ci/run
generate: ; go generate ./...
