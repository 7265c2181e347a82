//! Links the programs as the kernel wants them.

use std::env;

/// Bytes of stack the kernel gives a program; a file that does not say gets one page.
const STACK: usize = 64 << 10;

fn main() {
    println!("cargo::rerun-if-changed=../program.ld");
    let guest = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if guest {
        // cargo links in the root of the workspace. A path from there stays true where a tree is copied
        // with all that is built in it.
        println!("cargo::rustc-link-arg-bins=-Tuser/program.ld");
        println!("cargo::rustc-link-arg-bins=-zstack-size={STACK}");
        println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    }
}
