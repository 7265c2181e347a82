//! Links the programs as the kernel wants them.

use std::env;
use std::path::Path;

/// Bytes of stack the kernel gives a program; a file that does not say gets one page.
const STACK: usize = 64 << 10;

fn main() {
    let folder = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let script = Path::new(&folder).join("user.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    let guest = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if guest {
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        println!("cargo::rustc-link-arg-bins=-zstack-size={STACK}");
        println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    }
}
