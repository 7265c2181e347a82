# A thin front end: scripts/xtask builds xtask, which does the work.

# Passed on unchanged: make does not expand dollar signs here.
settings := CPUS MEM ICOUNT CMD ADD QEMUEXTRA BOOT TIMEOUT KEEP PROFILE FEATURES GDBPORT JOBS LAB OUT TREE LARGE_FILES
$(foreach s,$(settings),$(eval override export $s := $$(value $s)))

help: ## this list
	@echo "Pagoda: an xv6-compatible kernel in Rust, built around its memory manager"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "CPUS=1..8 (3) and MEM=… (128M) choose the machine; QEMUEXTRA='…' is passed to QEMU."

qemu: ## boot to a prompt on this terminal (Ctrl-A x leaves)
	@scripts/xtask qemu

qemu-nox: qemu ## the same

qemu-gdb: ## boot, but wait for gdb
	@scripts/xtask gdb

run: ## run CMD='a; b' in the guest and power off (ADD='files.c' KEEP=file.img TIMEOUT=120)
	@scripts/xtask run

test: ## format, lints, host and guest tests (ONLY='name …' selects, JOBS=n)
	@scripts/xtask test $(ONLY)

grade: ## grade a lab of the course: LAB=alloc or LAB=lazy (OUT=file.json or .xml)
	@scripts/grade

bench-host: ## compare the allocators with others, in instructions (needs valgrind)
	@scripts/bench-host

fuzz: ## fuzz the crates against their models: TARGET=frames SECONDS=600 (needs cargo-fuzz)
	@scripts/fuzz '$(TARGET)' '$(SECONDS)'

miri: ## run the crates' tests under Miri, which detects undefined behaviour (if installed)
	@scripts/miri

build: ## build the kernel, the programs and the disk image
	@scripts/xtask image

fmt: ## format all sources
	@scripts/xtask fmt

lint: ## check the floors, and clippy with warnings as errors
	@scripts/xtask lint

fsck: ## check a disk image: IMAGE=file.img (default: that of 'make qemu')
	@scripts/xtask fsck $(IMAGE)

clean: ## remove all build output, and the disk of 'make qemu'
	rm -rf target

.PHONY: help qemu qemu-nox qemu-gdb run test grade bench-host fuzz miri build fmt lint fsck clean
.DEFAULT_GOAL := help
