# duologue: `make run` to talk, `make test` to check everything. Everything happens inside .venv.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test dist clean
