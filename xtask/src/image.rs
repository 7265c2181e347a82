//! Disk images, made with the kernel's own file system code.

use crate::{
    build::{self, Guest, replace},
    c,
    qemu::Disk,
    toolchain::Toolchain,
    volume::{self, Format, Volume},
};
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Size of our images in bytes.
const SIZE: usize = 32 << 20;
/// Size of those with large files.
const LARGE_SIZE: usize = 128 << 20;
/// The mark of our images in the boot block, which xv6 does not use.
const MARK: &[u8] = b"made by Pagoda's xtask, which refreshes the programs here\n";

/// A new image with the programs and the README.
pub(crate) fn fresh(toolchain: &Toolchain, guest: &Guest, format: Format) -> Result<Vec<u8>> {
    let size = match format {
        Format::Plain => SIZE,
        Format::LargeFiles => LARGE_SIZE,
    };
    let mut volume = Volume::format(size, format)?;
    for (name, program) in &guest.programs {
        volume.put(name, program)?;
    }
    let readme = toolchain.root.join("README.md");
    volume.put(
        "README",
        &fs::read(&readme).with_context(|| readme.display().to_string())?,
    )?;
    let mut image = volume.into_image()?;
    image[..MARK.len()].copy_from_slice(MARK);
    Ok(image)
}

/// Whether the file exists and is not our image; its init is not Pagoda's then.
pub(crate) fn is_foreign(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MARK.len() as u64).read_to_end(&mut start))
        .with_context(|| path.display().to_string())?;
    Ok(start != MARK)
}

/// Reads the file system in this file.
fn open(path: &Path) -> Result<Volume> {
    let foreign = is_foreign(path)?;
    let name = path.display();
    let image = fs::read(path).with_context(|| name.to_string())?;
    Volume::open(image).with_context(|| match foreign {
        false => format!("{name} is damaged: delete it to get a new one"),
        true => format!("{name} cannot be used as a disk"),
    })
}

/// Refuses a file without a sound file system; the guest could only fail to boot from it.
pub(crate) fn check(path: &Path) -> Result<()> {
    match path.exists() {
        true => open(path).map(drop),
        false => Ok(()),
    }
}

/// The disk for one run: a temporary one, or the image `keep`, created in this format if missing. The
/// files `add` are copied into its root.
pub(crate) fn disk(
    toolchain: &Toolchain,
    guest: &Guest,
    format: Format,
    keep: Option<&Path>,
    add: &[PathBuf],
) -> Result<Disk> {
    let kept = keep.filter(|path| path.exists());
    let image = match kept {
        Some(path) if add.is_empty() => return Ok(Disk::Kept(path.to_path_buf())),
        Some(path) => fs::read(path).with_context(|| path.display().to_string())?,
        None => fresh(toolchain, guest, format)?,
    };
    let image = if add.is_empty() {
        image
    } else {
        with_files(toolchain, image, add)?
    };
    match keep {
        None => Disk::scratch(&image),
        Some(path) => {
            replace(path, &image)?;
            Ok(Disk::Kept(path.to_path_buf()))
        }
    }
}

/// The image of `make qemu`, which persists. In our images outdated programs are replaced; other
/// images keep theirs. The files `add` are copied into its root.
pub(crate) fn lasting(
    toolchain: &Toolchain,
    guest: &Guest,
    format: Format,
    path: &Path,
    add: &[PathBuf],
) -> Result<Disk> {
    if !path.exists() {
        replace(path, &fresh(toolchain, guest, format)?)?;
    }
    let mut volume = open(path)?;
    let foreign = is_foreign(path)?;
    let name = path.display();
    let added = added(toolchain, add)?;
    let mut refreshed = Vec::new();
    if foreign {
        // An image beside the kernel was made by an older xtask.
        let help = match path.starts_with(toolchain.target_dir()) {
            true => "; delete it to get a new one",
            false => "",
        };
        eprintln!("xtask: {name} was not made by xtask: its programs are kept{help}");
    } else {
        let is_added = |name: &String| added.iter().any(|(added, _)| added == name);
        let programs = guest.programs.iter().filter(|(name, _)| !is_added(name));
        refreshed = update(&mut volume, programs)?;
    }
    if !refreshed.is_empty() {
        let names = refreshed.join(" ");
        eprintln!("xtask: {name}: replaced outdated programs: {names}");
    }
    if !update(&mut volume, &added)?.is_empty() || !refreshed.is_empty() {
        replace(path, &volume.into_image()?)?;
    }
    Ok(Disk::Kept(path.to_path_buf()))
}

/// Writes those files that are missing or differ; returns their names.
fn update<'a>(
    volume: &mut Volume,
    files: impl IntoIterator<Item = &'a (String, Vec<u8>)>,
) -> Result<Vec<&'a str>> {
    let mut changed = Vec::new();
    for (name, contents) in files {
        if volume.get(name)?.as_deref() != Some(contents) {
            volume.put(name, contents)?;
            changed.push(name.as_str());
        }
    }
    Ok(changed)
}

/// The image with the files in its root.
pub(crate) fn with_files(
    toolchain: &Toolchain,
    image: Vec<u8>,
    files: &[PathBuf],
) -> Result<Vec<u8>> {
    let mut volume = Volume::open(image)?;
    for (name, contents) in added(toolchain, files)? {
        volume.put(&name, &contents)?;
    }
    volume.into_image()
}

/// The files as stored on the disk, by base name: C sources compiled, programs stripped.
fn added(toolchain: &Toolchain, files: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>> {
    let add = |path: &PathBuf| {
        let source = c::is_source(path);
        let name = if source {
            path.file_stem()
        } else {
            path.file_name()
        };
        let name = name.and_then(|name| name.to_str());
        let name = name.with_context(|| format!("ADD: {} has no name", path.display()))?;
        // xv6 builds programs with an underscore in front of the name.
        let name = name.strip_prefix('_').unwrap_or(name);
        volume::check_name(name)?;
        let binary = if source {
            c::program(toolchain, path, None)?
        } else {
            path.clone()
        };
        let read = || fs::read(&binary).with_context(|| format!("ADD: {}", path.display()));
        let contents = if source || is_program(&read()?) {
            build::program(toolchain, name, &binary)?
        } else {
            read()?
        };
        Ok((name.to_owned(), contents))
    };
    files.iter().map(add).collect()
}

/// Whether a file is an ELF file with section headers.
fn is_program(contents: &[u8]) -> bool {
    contents.starts_with(b"\x7fELF") && crate::program::strip(contents).is_ok()
}

/// Checks the image and prints the problems.
pub(crate) fn fsck(path: &Path) -> Result<u8> {
    let problems = fs::read(path)
        .map_err(anyhow::Error::from)
        .and_then(problems)
        .with_context(|| path.display().to_string())?;
    for problem in &problems {
        say!("{}: {problem}", path.display());
    }
    match problems.len() {
        0 => say!("{}: clean", path.display()),
        count => say!("{}: {count} problems", path.display()),
    }
    Ok(u8::from(!problems.is_empty()))
}

/// The problems of the image after replaying its log.
pub(crate) fn problems(image: Vec<u8>) -> Result<Vec<String>> {
    Ok(Volume::open(image)?.check())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Guest {
        let program = |name: &str| (name.to_owned(), format!("the new {name}").into_bytes());
        Guest {
            dir: PathBuf::new(),
            kernel: PathBuf::new(),
            programs: ["cat", "ls"].map(program).into(),
        }
    }

    /// The image after `make qemu` used it with the file added.
    fn used(test: &str, image: &[u8], add: &[(&str, &str)]) -> Vec<u8> {
        let dir = std::env::temp_dir().join(format!("pagoda-{test}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("fs.img");
        fs::write(&path, image).unwrap();
        let add = add.iter().map(|(name, contents)| {
            fs::write(dir.join(name), contents).unwrap();
            dir.join(name)
        });
        let add: Vec<PathBuf> = add.collect();
        lasting(&Toolchain::find(), &guest(), Format::Plain, &path, &add).unwrap();
        let after = fs::read(&path).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        after
    }

    fn get(image: &[u8], name: &str) -> Option<String> {
        let contents = Volume::open(image.to_vec()).unwrap().get(name).unwrap();
        contents.map(|contents| String::from_utf8(contents).unwrap())
    }

    #[test]
    fn our_image_is_refreshed_and_stays_marked() {
        let mut volume =
            Volume::open(fresh(&Toolchain::find(), &guest(), Format::Plain).unwrap()).unwrap();
        volume.put("ls", b"an older ls").unwrap();
        volume.put("mine", b"mine").unwrap();
        let image = volume.into_image().unwrap();
        let after = used("marked", &image, &[("cat", "my cat")]);
        assert_eq!(get(&after, "ls").as_deref(), Some("the new ls"));
        assert_eq!(get(&after, "cat").as_deref(), Some("my cat"));
        assert_eq!(get(&after, "mine").as_deref(), Some("mine"));
        assert!(after.starts_with(MARK));
        assert!(problems(after.clone()).unwrap().is_empty());
        assert_eq!(used("again", &after, &[("cat", "my cat")]), after);
    }

    #[test]
    fn a_foreign_image_only_gets_the_added_files() {
        let mut volume = Volume::format(2 << 20, Format::Plain).unwrap();
        volume.put("ls", b"xv6's own ls").unwrap();
        let image = volume.into_image().unwrap();
        assert_eq!(used("foreign", &image, &[]), image);
        let after = used("foreign-add", &image, &[("cat", "my cat")]);
        assert_eq!(get(&after, "ls").as_deref(), Some("xv6's own ls"));
        assert_eq!(get(&after, "cat").as_deref(), Some("my cat"));
        assert!(!after.starts_with(MARK), "it is marked as ours");
    }
}
