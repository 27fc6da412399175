//! Puts the functions that a running agent needs beside each other (docs/adr/0008-layout-of-the-program.md).

use std::env;
use std::path::Path;

/// What `script/layout` found, one symbol a line. Names that the linker does not find are passed over.
const LIST: &str = "hot-functions.txt";

fn main() {
    println!("cargo::rerun-if-changed={LIST}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PGMON_LAYOUT");
    let var = |name| env::var(name).unwrap_or_default();
    // The list is of this target's symbols, and the option one of the linker that rustc brings for it. Somebody who
    // has chosen another linker has their reasons.
    let usual = var("TARGET") == "x86_64-unknown-linux-gnu"
        && var("RUSTC_LINKER").is_empty()
        && !var("CARGO_ENCODED_RUSTFLAGS").contains("link");
    if !usual || var("PROFILE") != "release" || var("PGMON_LAYOUT") == "off" {
        return;
    }
    let list = Path::new(&var("CARGO_MANIFEST_DIR")).join(LIST);
    println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", list.display());
}
