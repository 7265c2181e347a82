//! The toolchain that `scripts/setup` found and `scripts/xtask` put into the environment.

use crate::ties;
use anyhow::{Context, Result, bail};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The guest's target.
pub(crate) const TARGET: &str = "riscv64gc-unknown-none-elf";
/// Packages for [`TARGET`] only.
pub(crate) const GUEST_PACKAGES: [&str; 4] = ["kernel", "ulib", "programs", "tests"];

/// How to call cargo.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// The standard crates to build from source, if the toolchain lacks them for the guest.
    build_std: Option<String>,
}

impl Toolchain {
    pub(crate) fn find() -> Toolchain {
        Toolchain {
            root: root(),
            build_std: std::env::var("PAGODA_BUILD_STD")
                .ok()
                .filter(|crates| !crates.is_empty()),
        }
    }

    pub(crate) fn target_dir(&self) -> PathBuf {
        self.root.join("target")
    }

    /// `cargo VERB` at the root; it ends with this process.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut command = Command::new("cargo");
        command
            .arg(verb)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .env("CARGO_TARGET_DIR", self.target_dir());
        ties::tie(&mut command);
        command
    }

    /// `cargo VERB`, for the guest.
    pub(crate) fn guest_cargo(&self, verb: &str) -> Command {
        let mut command = self.cargo(verb);
        command.args(["--target", TARGET]);
        if let Some(crates) = &self.build_std {
            command.arg(format!("-Zbuild-std={crates}"));
        }
        command
    }

    /// `cargo VERB` for all that runs on the host.
    pub(crate) fn host_cargo(&self, verb: &str) -> Command {
        let mut command = self.cargo(verb);
        command.arg("--workspace");
        for package in GUEST_PACKAGES {
            command.args(["--exclude", package]);
        }
        command
    }

    /// Whether cargo has this subcommand; `fmt` and `clippy` are optional.
    pub(crate) fn has(&self, subcommand: &str) -> bool {
        let output = self.cargo(subcommand).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    }
}

/// The tree that contains this program. A copied tree has a copied xtask that cargo does not
/// rebuild, so the compile-time path is only used if the program is elsewhere.
fn root() -> PathBuf {
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = compiled.parent().unwrap_or(compiled);
    std::env::current_exe()
        .ok()
        .and_then(|program| tree_around(&program))
        .unwrap_or_else(|| compiled.to_path_buf())
}

fn tree_around(program: &Path) -> Option<PathBuf> {
    let has_script = |dir: &&Path| dir.join("scripts/xtask").is_file();
    program.ancestors().find(has_script).map(Path::to_path_buf)
}

/// Adds `--quiet` unless standard error is a terminal.
pub(crate) fn quiet_unless_watched(command: &mut Command) {
    if !std::io::stderr().is_terminal() {
        command.arg("--quiet");
    }
}

/// Runs the command; failure is an error.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("{name} could not be started"))?;
    if !status.success() {
        let verb = command
            .get_args()
            .next()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        bail!("`{name} {verb}` failed ({status})");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_copied_tree_builds_itself() {
        let copy = std::env::temp_dir().join(format!("pagoda-copy-{}", std::process::id()));
        fs::create_dir_all(copy.join("scripts")).unwrap();
        fs::write(copy.join("scripts/xtask"), "").unwrap();
        let program = copy.join("target/debug/xtask");
        assert_eq!(tree_around(&program).as_deref(), Some(copy.as_path()));
        fs::remove_dir_all(&copy).unwrap();
        assert_eq!(tree_around(&program), None);
    }
}
