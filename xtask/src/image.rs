//! Disk images: the file system that the guest finds, made with the kernel's own code.

use crate::{
    build::{Guest, replace},
    qemu::Disk,
    toolchain::Toolchain,
    volume::Volume,
};
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes in an image that is made here.
const SIZE: usize = 32 << 20;

/// A new image with the programs and the README.
pub(crate) fn fresh(toolchain: &Toolchain, guest: &Guest) -> Result<Vec<u8>> {
    let mut volume = Volume::format(SIZE)?;
    for (name, program) in &guest.programs {
        volume.put(name, program)?;
    }
    let readme = toolchain.root.join("README.md");
    volume.put(
        "README",
        &fs::read(&readme).with_context(|| readme.display().to_string())?,
    )?;
    Ok(volume.into_image())
}

/// The disk for one run: its own, or the image `keep`, which is made if it is not there. The files
/// `add` are copied into its root.
pub(crate) fn disk(
    toolchain: &Toolchain,
    guest: &Guest,
    keep: Option<&Path>,
    add: &[PathBuf],
) -> Result<Disk> {
    let kept = keep.filter(|path| path.exists());
    let image = match kept {
        Some(path) if add.is_empty() => return Ok(Disk::Kept(path.to_path_buf())),
        Some(path) => fs::read(path).with_context(|| path.display().to_string())?,
        None => fresh(toolchain, guest)?,
    };
    let image = if add.is_empty() {
        image
    } else {
        with_files(image, add)?
    };
    match keep {
        None => Disk::scratch(&image),
        Some(path) => {
            replace(path, &image)?;
            Ok(Disk::Kept(path.to_path_buf()))
        }
    }
}

/// The image of `make qemu`: it lives from boot to boot, with all that was written in the guest;
/// only programs that have changed since are replaced.
pub(crate) fn lasting(toolchain: &Toolchain, guest: &Guest, path: &Path) -> Result<Disk> {
    if !path.exists() {
        replace(path, &fresh(toolchain, guest)?)?;
        return Ok(Disk::Kept(path.to_path_buf()));
    }
    let image = fs::read(path).with_context(|| path.display().to_string())?;
    let mut volume = Volume::open(image)
        .with_context(|| format!("{} is damaged: delete it to get a new one", path.display()))?;
    let mut changed = false;
    for (name, program) in &guest.programs {
        if volume.get(name)?.as_deref() != Some(program) {
            volume.put(name, program)?;
            changed = true;
        }
    }
    if changed {
        replace(path, &volume.into_image())?;
    }
    Ok(Disk::Kept(path.to_path_buf()))
}

/// The image with the files' contents under their base names in its root.
pub(crate) fn with_files(image: Vec<u8>, files: &[PathBuf]) -> Result<Vec<u8>> {
    let mut volume = Volume::open(image)?;
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("ADD: {} has no name", path.display()))?;
        // xv6 builds its programs under names with an underscore, which its shell does not know.
        let name = name.strip_prefix('_').unwrap_or(name);
        let contents = fs::read(path).with_context(|| format!("ADD: {}", path.display()))?;
        volume.put(name, &contents)?;
    }
    Ok(volume.into_image())
}

/// Checks the image in the file; prints what is wrong.
pub(crate) fn fsck(path: &Path) -> Result<u8> {
    let problems = fs::read(path)
        .map_err(anyhow::Error::from)
        .and_then(problems)
        .with_context(|| path.display().to_string())?;
    for problem in &problems {
        println!("{}: {problem}", path.display());
    }
    match problems.len() {
        0 => println!("{}: clean", path.display()),
        count => println!("{}: {count} problems", path.display()),
    }
    Ok(u8::from(!problems.is_empty()))
}

/// What is wrong with the image once its log is replayed.
pub(crate) fn problems(image: Vec<u8>) -> Result<Vec<String>> {
    Ok(Volume::open(image)?.check())
}
