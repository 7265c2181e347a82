//! A file system in memory: the kernel's `xv6fs` over a disk image.

use abi::{DIRSIZ, FileType};
use anyhow::{Error, Result, ensure};
use xv6fs::{
    BLOCK_SIZE, Block, BlockDevice, DeviceError, Error as FsError, FormatOptions, Fs, ROOT,
};

/// Bytes of the disk for each inode.
const BYTES_PER_INODE: usize = 16 << 10;
/// Size of the buffer cache; the image is in memory anyway.
const CACHE_BLOCKS: usize = 64;

/// The format of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As in xv6: files of 268 KiB at most.
    Plain,
    /// With a double indirect block, and a long log.
    LargeFiles,
}

/// A disk image as a block device.
struct Image(Vec<u8>);

impl Image {
    fn block(&mut self, block: u32) -> Result<&mut Block, DeviceError> {
        let (blocks, _) = self.0.as_chunks_mut::<BLOCK_SIZE>();
        blocks.get_mut(block as usize).ok_or(DeviceError)
    }
}

impl BlockDevice for Image {
    fn blocks(&self) -> u32 {
        u32::try_from(self.0.len() / BLOCK_SIZE).unwrap_or(u32::MAX)
    }

    fn read(&mut self, block: u32, buffer: &mut Block) -> Result<(), DeviceError> {
        *buffer = *self.block(block)?;
        Ok(())
    }

    fn write(&mut self, block: u32, buffer: &Block) -> Result<(), DeviceError> {
        *self.block(block)? = *buffer;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

/// A mounted image.
pub(crate) struct Volume(Fs<Image>);

impl Volume {
    /// Creates a file system of `size` bytes.
    pub(crate) fn format(size: usize, format: Format) -> Result<Volume> {
        let options = FormatOptions {
            blocks: u32::try_from(size / BLOCK_SIZE)?,
            inodes: u32::try_from(size / BYTES_PER_INODE)?,
            ..match format {
                Format::Plain => FormatOptions::default(),
                Format::LargeFiles => FormatOptions::large(),
            }
        };
        let fs = Fs::format(Image(vec![0; size]), &options);
        Ok(Volume(fs.map_err(|error| says(error, "the image"))?))
    }

    /// Mounts the image, replaying its log.
    pub(crate) fn open(image: Vec<u8>) -> Result<Volume> {
        let fs = Fs::mount(Image(image), CACHE_BLOCKS);
        Ok(Volume(fs.map_err(|error| says(error, "the image"))?))
    }

    /// The image, with all changes where they belong.
    pub(crate) fn into_image(self) -> Result<Vec<u8>> {
        let image = self.0.unmount().map_err(|error| says(error, "the image"))?;
        Ok(image.0)
    }

    /// Writes a file in the root directory.
    ///
    /// # Errors
    /// The name or the file is too long, or the disk is full; the message says which and by how much.
    pub(crate) fn put(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        check_name(name)?;
        let most = self.0.superblock().max_file_size();
        ensure!(
            contents.len() <= most as usize,
            "{name}: a file on the disk has at most {most} bytes ({} KiB), this one {}",
            most >> 10,
            contents.len()
        );
        self.write(name, contents)
            .map_err(|error| says(error, name))
    }

    fn write(&mut self, name: &str, contents: &[u8]) -> Result<(), FsError> {
        let fs = &mut self.0;
        let inum = match fs.lookup(ROOT, name.as_bytes())? {
            Some(inum) => {
                fs.truncate(inum)?;
                inum
            }
            None => fs.create(ROOT, name.as_bytes(), FileType::File, 0, 0)?,
        };
        let mut done = 0;
        while let Some(rest) = contents.get(done..).filter(|rest| !rest.is_empty()) {
            done += fs.write(inum, done as u64, rest)?;
        }
        Ok(())
    }

    /// The contents of a file in the root directory.
    pub(crate) fn get(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(name).map_err(|error| says(error, name))
    }

    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, FsError> {
        let fs = &mut self.0;
        let Some(inum) = fs.lookup(ROOT, name.as_bytes())? else {
            return Ok(None);
        };
        let mut contents = vec![0; fs.stat(inum)?.size as usize];
        let mut done = 0;
        while let Some(rest) = contents.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match fs.read(inum, done as u64, rest)? {
                0 => return Err(FsError::Corrupt("a file shorter than its size")),
                count => done += count,
            }
        }
        Ok(Some(contents))
    }

    /// The problems found by the check.
    pub(crate) fn check(&mut self) -> Vec<String> {
        let report = xv6fs::check(&mut self.0);
        let mut problems: Vec<String> = report
            .problems
            .iter()
            .map(|problem| format!("{problem:?}"))
            .collect();
        if report.count > problems.len() {
            problems.push(format!("and {} more", report.count - problems.len()));
        }
        problems
    }
}

/// Checks the length of a name.
pub(crate) fn check_name(name: &str) -> Result<()> {
    ensure!(
        name.len() <= DIRSIZ,
        "{name}: a name on the disk has at most {DIRSIZ} bytes, this one {}",
        name.len()
    );
    Ok(())
}

fn says(error: FsError, what: &str) -> Error {
    let reason = match error {
        FsError::NoSpace => "the disk is full".to_owned(),
        FsError::NoInodes => "the disk is out of inodes".to_owned(),
        FsError::Corrupt(place) => format!("not a valid xv6 file system ({place})"),
        FsError::IsDirectory => "is a directory on the disk".to_owned(),
        FsError::Invalid => "invalid file name".to_owned(),
        error => format!("{error:?}"),
    };
    Error::msg(format!("{what}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume() -> Volume {
        Volume::format(2 << 20, Format::Plain).unwrap()
    }

    fn again(volume: Volume) -> Volume {
        Volume::open(volume.into_image().unwrap()).unwrap()
    }

    #[test]
    fn files_can_be_written_and_read() {
        let mut volume = volume();
        let large: Vec<u8> = (0..268 * 1024).map(|n| (n / 7) as u8).collect();
        volume.put("large", &large).unwrap();
        volume.put("empty", b"").unwrap();
        let mut again = again(volume);
        assert_eq!(again.get("large").unwrap(), Some(large));
        assert_eq!(again.get("empty").unwrap(), Some(Vec::new()));
        assert_eq!(again.get("missing").unwrap(), None);
        assert_eq!(again.check(), Vec::<String>::new());
    }

    #[test]
    fn an_image_with_large_files_has_them() {
        let mut volume = Volume::format(8 << 20, Format::LargeFiles).unwrap();
        let large: Vec<u8> = (0..5 << 20).map(|n| (n / 7) as u8).collect();
        volume.put("large", &large).unwrap();
        let mut again = again(volume);
        assert_eq!(again.get("large").unwrap(), Some(large));
        assert_eq!(again.check(), Vec::<String>::new());
        let error = again.put("x", &vec![0; 65_803 * 1024 + 1]).unwrap_err();
        assert!(error.to_string().contains("65803 KiB"), "{error}");
    }

    #[test]
    fn new_contents_replace_the_old() {
        let mut volume = volume();
        volume.put("file", &[1; 100_000]).unwrap();
        volume.put("file", b"short").unwrap();
        assert_eq!(volume.get("file").unwrap().as_deref(), Some(&b"short"[..]));
        assert_eq!(volume.check(), Vec::<String>::new());
    }

    #[test]
    fn files_that_do_not_fit_are_refused_with_a_reason() {
        let mut volume = volume();
        let long = volume.put("fifteen-letters", b"").unwrap_err().to_string();
        assert!(long.contains("at most 14 bytes, this one 15"), "{long}");
        let large = volume
            .put("x", &vec![0; 268 * 1024 + 1])
            .unwrap_err()
            .to_string();
        assert!(large.contains("268 KiB"), "{large}");
        let full = (0..20).find_map(|n| volume.put(&format!("f{n}"), &[7; 200_000]).err());
        let full = full.expect("4 MB went onto 2 MiB").to_string();
        assert!(full.contains("the disk is full"), "{full}");
        assert_eq!(volume.check(), Vec::<String>::new());
    }

    #[test]
    fn an_empty_image_is_refused() {
        assert!(Volume::open(vec![0; 1 << 20]).is_err());
        assert!(Volume::open(Vec::new()).is_err());
    }
}
