//! Files: the xv6 file system under one sleeping lock, inodes in memory with their cached pages,
//! open files, pipes.
//!
//! Locks, from the outside: an inode's content, then the file system. Neither is held while user
//! memory is touched, because a fault may need both.

mod cache;
mod file;
mod inode;
mod mapped;
mod namei;
mod pipe;
mod table;
mod volume;

pub use cache::{InodeRef, counts, init as init_cache, pages, try_pages};
pub use file::{File, open_files};
pub use mapped::MappedFile;
pub use namei::{create, find, link, root, unlink};
pub use pipe::pipes;
pub use table::FileTable;
pub use volume::{lock, mount, set_sync, shut_down, sync};
