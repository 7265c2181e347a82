# The front door. The work is done by xtask, which scripts/xtask builds first.

# Handed on as they were typed: a dollar sign means nothing to make here.
settings := CPUS MEM ICOUNT CMD ADD QEMUEXTRA BOOT TIMEOUT KEEP PROFILE FEATURES GDBPORT JOBS LAB OUT TREE LARGE_FILES
$(foreach s,$(settings),$(eval override export $s := $$(value $s)))

help: ## this list
	@echo "Pagoda: an xv6-compatible kernel in Rust, built around its memory manager"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "CPUS=1..8 (3) and MEM=… (128M) choose the machine; QEMUEXTRA='…' is handed to QEMU as it is."

qemu: ## boot to a prompt on this terminal (Ctrl-A x leaves)
	@scripts/xtask qemu

qemu-nox: qemu ## the same

qemu-gdb: ## boot, but wait for gdb
	@scripts/xtask gdb

run: ## run CMD='a; b' in the guest and power off (ADD='files.c' KEEP=file.img TIMEOUT=120)
	@scripts/xtask run

test: ## format, lints, tests on the host and in the guest (ONLY='name …' picks, JOBS=n)
	@scripts/xtask test $(ONLY)

grade: ## what a lab of the course asks, with points: LAB=alloc or LAB=lazy (OUT=file.json or .xml)
	@scripts/grade

bench-host: ## what the allocators cost beside others, in instructions (needs valgrind)
	@scripts/bench-host

fuzz: ## byte strings against the allocators' models: TARGET=frames SECONDS=600 (needs cargo-fuzz)
	@scripts/fuzz '$(TARGET)' '$(SECONDS)'

miri: ## the crates' tests under Miri, which sees undefined behaviour (where a toolchain has it)
	@scripts/miri

build: ## build the kernel, the programs and the disk image
	@scripts/xtask image

fmt: ## format all sources
	@scripts/xtask fmt

lint: ## clippy over everything, warnings are errors
	@scripts/xtask lint

fsck: ## check a disk image: IMAGE=file.img (the one of 'make qemu')
	@scripts/xtask fsck $(IMAGE)

clean: ## remove all that was built, the disk of 'make qemu' too
	rm -rf target

.PHONY: help qemu qemu-nox qemu-gdb run test grade bench-host fuzz miri build fmt lint fsck clean
.DEFAULT_GOAL := help
