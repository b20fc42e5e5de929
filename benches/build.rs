//! Tells the crate which compiler builds it and for which target, because figures of different
//! compilers are not comparable, and a program cannot ask for this when it runs.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    println!("cargo::rustc-env=POOL_BENCHES_COMPILER={}", version.trim());
    println!("cargo::rustc-env=POOL_BENCHES_TARGET={target}");
}
