//! Builds what runs in the guest.

use crate::{
    options::Profile,
    program, symbols,
    toolchain::{TARGET, Toolchain, quiet_unless_watched, succeed},
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A built guest.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The directory with what is made from cargo's output: the kernel, images.
    pub(crate) dir: PathBuf,
    /// The kernel with its symbol table in it.
    pub(crate) kernel: PathBuf,
    /// Names in the image and contents, sorted.
    pub(crate) programs: Vec<(String, Vec<u8>)>,
}

/// Builds the kernel in this profile and with these features, and the user programs. Those are
/// always optimised for size and without assertions, or the larger ones would not fit into a file of
/// the disk.
pub(crate) fn guest(toolchain: &Toolchain, profile: Profile, features: &[String]) -> Result<Guest> {
    compile(toolchain, "kernel", profile, features)?;
    compile(toolchain, "programs", Profile::Release, &[])?;

    let output = toolchain.target_dir().join(TARGET);
    let dir = toolchain
        .target_dir()
        .join("pagoda")
        .join(directory(profile, features));
    fs::create_dir_all(&dir)?;
    let kernel = dir.join("kernel");
    finish_kernel(&output.join(profile.name()).join("kernel"), &kernel)?;
    let sources = toolchain.root.join("user/bin/src/bin");
    let programs = programs(&sources, &output.join(Profile::Release.name()))?;
    Ok(Guest {
        dir,
        kernel,
        programs,
    })
}

/// The name of the directory for what is made of such a kernel.
pub(crate) fn directory(profile: Profile, features: &[String]) -> String {
    let mut name = profile.name().to_owned();
    for feature in features {
        name.push('+');
        name.push_str(feature);
    }
    name
}

fn compile(
    toolchain: &Toolchain,
    package: &str,
    profile: Profile,
    features: &[String],
) -> Result<()> {
    let mut cargo = toolchain.guest_cargo("build");
    cargo.args(["-p", package, "--profile", profile.name()]);
    if !features.is_empty() {
        cargo.args(["--features", &features.join(",")]);
    }
    quiet_unless_watched(&mut cargo);
    let output = toolchain.target_dir().join(TARGET).join(profile.name());
    if !output.exists() {
        eprintln!("xtask: compiling for the guest ({})", profile.name());
    }
    succeed(&mut cargo)
}

/// Copies the kernel that cargo linked, with the symbol table, unless the copy is newer.
fn finish_kernel(linked: &Path, finished: &Path) -> Result<()> {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let newest = changed(linked).with_context(|| linked.display().to_string())?;
    if changed(finished).is_ok_and(|copied| copied > newest) {
        return Ok(());
    }
    let mut kernel = fs::read(linked)?;
    symbols::embed(&mut kernel)?;
    replace(finished, &kernel)
}

/// Writes a file so that others see the old one or the new one, never a part.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, contents)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("{} could not be written", path.display()))
}

/// One program for each source file or directory.
fn programs(sources: &Path, output: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut programs = Vec::new();
    for source in fs::read_dir(sources).with_context(|| sources.display().to_string())? {
        let source = source?.path();
        let name = source
            .file_stem()
            .and_then(|stem| stem.to_str())
            .context("odd file name")?;
        let binary = output.join(name);
        let file = fs::read(&binary).with_context(|| binary.display().to_string())?;
        let program = program::strip(&file).with_context(|| binary.display().to_string())?;
        programs.push((name.trim_start_matches('_').to_owned(), program));
    }
    ensure!(
        !programs.is_empty(),
        "there are no programs in {}",
        sources.display()
    );
    programs.sort();
    Ok(programs)
}
