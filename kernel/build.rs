//! Hands the kernel's own linker script to the linker.

fn main() {
    // cargo links in the root of the workspace. A path from there stays true where a tree is copied
    // with all that is built in it.
    println!("cargo:rustc-link-arg-bins=-Tkernel/kernel.ld");
    println!("cargo:rustc-link-arg-bins=--no-relax");
    println!("cargo:rerun-if-changed=kernel.ld");
}
