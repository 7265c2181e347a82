//! Builds the kernel and the guest's programs.

use crate::{
    c,
    options::Profile,
    program, symbols,
    toolchain::{TARGET, Toolchain, quiet_unless_watched, succeed},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// The directory, below the target directory, of the programs' files with symbols.
pub(crate) const SYMBOLS: &str = "pagoda/symbols";

/// A built guest.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// The directory of the finished kernel and images.
    pub(crate) dir: PathBuf,
    /// The kernel, with its symbol table embedded.
    pub(crate) kernel: PathBuf,
    /// File names and contents, sorted.
    pub(crate) programs: Vec<(String, Vec<u8>)>,
}

/// Builds the kernel in this profile and with these features, and the user programs. Programs are
/// always optimised for size and built without assertions; otherwise the larger ones exceed the
/// maximal file size.
pub(crate) fn guest(toolchain: &Toolchain, profile: Profile, features: &[String]) -> Result<Guest> {
    let kernel = kernel(toolchain, profile, features)?;
    let output = toolchain.target_dir().join(TARGET);
    let output = output.join(Profile::Release.name());
    let mut binaries = Vec::new();
    for package in ["programs", "tests"] {
        compile(toolchain, package, Profile::Release, &[])?;
        let sources = toolchain.root.join("user").join(package).join("src/bin");
        binaries.extend(self::binaries(&sources, &output)?);
    }
    let in_c = c::standard_programs(toolchain)?;
    Ok(Guest {
        dir: dir(toolchain, profile, features),
        kernel,
        programs: programs(toolchain, overlaid(binaries, in_c))?,
    })
}

/// Builds only the kernel; returns its path.
pub(crate) fn kernel(
    toolchain: &Toolchain,
    profile: Profile,
    features: &[String],
) -> Result<PathBuf> {
    compile(toolchain, "kernel", profile, features)?;
    let dir = dir(toolchain, profile, features);
    fs::create_dir_all(&dir)?;
    let output = toolchain.target_dir().join(TARGET).join(profile.name());
    let kernel = dir.join("kernel");
    finish_kernel(&output.join("kernel"), &kernel)?;
    Ok(kernel)
}

fn dir(toolchain: &Toolchain, profile: Profile, features: &[String]) -> PathBuf {
    let name = directory(profile, features);
    toolchain.target_dir().join("pagoda").join(name)
}

impl Guest {
    /// The directory of the programs' files with symbols.
    pub(crate) fn symbols(&self) -> PathBuf {
        self.dir.with_file_name("symbols")
    }

    /// Keeps only the named programs; ignores a leading underscore of a name.
    pub(crate) fn keep_only(&mut self, wanted: &[String]) -> Result<()> {
        let plain = |name: &String| name.strip_prefix('_').unwrap_or(name).to_owned();
        let wanted: Vec<String> = wanted.iter().map(plain).collect();
        for name in &wanted {
            let there = self.programs.iter().any(|(program, _)| program == name);
            ensure!(
                there,
                "no program {name}; there are: {}",
                self.programs
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            );
        }
        self.programs.retain(|(name, _)| wanted.contains(name));
        Ok(())
    }
}

/// The name of the directory for a kernel's profile and features.
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

/// Copies the linked kernel and embeds the symbol table, unless the copy is of the same file by its
/// time. Cargo may also restore an older build.
fn finish_kernel(linked: &Path, finished: &Path) -> Result<()> {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let time = changed(linked).with_context(|| linked.display().to_string())?;
    if changed(finished).is_ok_and(|copied| copied == time) {
        return Ok(());
    }
    let mut kernel = fs::read(linked)?;
    symbols::embed(&mut kernel)?;
    replace(finished, &kernel)?;
    let finished = fs::File::options().write(true).open(finished)?;
    Ok(finished.set_modified(time)?)
}

/// Replaces a file atomically.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, contents)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("{} could not be written", path.display()))
}

/// The binary of each source file or directory: its name and its file with symbols.
fn binaries(sources: &Path, output: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut binaries = Vec::new();
    for source in fs::read_dir(sources).with_context(|| sources.display().to_string())? {
        let source = source?.path();
        let name = source
            .file_stem()
            .and_then(|stem| stem.to_str())
            .context("odd file name")?;
        let on_disk = name.trim_start_matches('_').to_owned();
        binaries.push((on_disk, output.join(name)));
    }
    ensure!(!binaries.is_empty(), "no programs in {}", sources.display());
    Ok(binaries)
}

/// Merges both lists; a course's program replaces ours of the same name.
fn overlaid(
    mut ours: Vec<(String, PathBuf)>,
    theirs: Vec<(String, PathBuf)>,
) -> Vec<(String, PathBuf)> {
    ours.retain(|(name, _)| theirs.iter().all(|(taken, _)| taken != name));
    ours.extend(theirs);
    ours
}

/// The programs as stored on the disk, sorted by name.
fn programs(
    toolchain: &Toolchain,
    binaries: Vec<(String, PathBuf)>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut programs = Vec::new();
    for (name, binary) in binaries {
        let program = program(toolchain, &name, &binary)?;
        programs.push((name, program));
    }
    programs.sort();
    if let Some(two) = programs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!("two programs are named {}", two[0].0);
    }
    Ok(programs)
}

/// A program as stored on the disk. Also saves its file with symbols for gdb's command `user`.
pub(crate) fn program(toolchain: &Toolchain, name: &str, binary: &Path) -> Result<Vec<u8>> {
    let file = fs::read(binary).with_context(|| binary.display().to_string())?;
    let program = program::strip(&file).with_context(|| binary.display().to_string())?;
    let dir = toolchain.target_dir().join(SYMBOLS);
    let link = dir.join(name);
    let binary = fs::canonicalize(binary)?;
    if fs::read_link(&link).is_ok_and(|old| old == binary) {
        return Ok(program);
    }
    fs::create_dir_all(&dir)?;
    let new = dir.join(format!("{name}.new-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    symlink(&binary, &new).and_then(|()| fs::rename(&new, &link))?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_courses_program_replaces_ours() {
        let named = |names: &[(&str, &str)]| -> Vec<(String, PathBuf)> {
            let owned = |&(name, file): &(&str, &str)| (name.to_owned(), PathBuf::from(file));
            names.iter().map(owned).collect()
        };
        let ours = named(&[("alloctest", "ours"), ("echo", "ours")]);
        let theirs = named(&[("alloctest", "theirs"), ("test_1", "theirs")]);
        assert_eq!(
            overlaid(ours, theirs),
            named(&[
                ("echo", "ours"),
                ("alloctest", "theirs"),
                ("test_1", "theirs")
            ])
        );
    }
}
