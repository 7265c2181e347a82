//! Builds what runs in the guest.

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

/// Where a program's file with symbols is found by the program's name, below the target directory.
pub(crate) const SYMBOLS: &str = "pagoda/symbols";

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

/// Builds the kernel alone; the file.
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
    /// The directory where a program's file with symbols is found by the program's name.
    pub(crate) fn symbols(&self) -> PathBuf {
        self.dir.with_file_name("symbols")
    }

    /// Drops the programs that are not named; a leading underscore of a name does not count.
    pub(crate) fn keep_only(&mut self, wanted: &[String]) -> Result<()> {
        let plain = |name: &String| name.strip_prefix('_').unwrap_or(name).to_owned();
        let wanted: Vec<String> = wanted.iter().map(plain).collect();
        for name in &wanted {
            let there = self.programs.iter().any(|(program, _)| program == name);
            ensure!(
                there,
                "no program is called {name}; there are: {}",
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

/// Copies the kernel that cargo linked, with the symbol table, unless the copy is of this one: it has
/// its time. Cargo may also bring back one that it linked before the last one.
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

/// Writes a file so that others see the old one or the new one, never a part.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let new = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&new, contents)
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("{} could not be written", path.display()))
}

/// One binary for each source file or directory; its name on the disk, and the file with symbols.
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
    ensure!(
        !binaries.is_empty(),
        "there are no programs in {}",
        sources.display()
    );
    Ok(binaries)
}

/// Names and files of both: a course's program has the name that the assignment gives it, and takes the
/// place of ours if that is the same.
fn overlaid(
    mut ours: Vec<(String, PathBuf)>,
    theirs: Vec<(String, PathBuf)>,
) -> Vec<(String, PathBuf)> {
    ours.retain(|(name, _)| theirs.iter().all(|(taken, _)| taken != name));
    ours.extend(theirs);
    ours
}

/// The programs as they go onto the disk, sorted by their names.
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
        bail!("two programs are called {}", two[0].0);
    }
    Ok(programs)
}

/// A program as it goes onto the disk; gdb's command `user` finds the file with its symbols.
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
    fn a_course_s_program_takes_the_place_of_ours() {
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
