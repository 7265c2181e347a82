//! Files: the xv6 file system under one sleeping lock, the inode cache and page cache, open files, pipes.
//!
//! Lock order: the file system, then a file's object. Neither is held while user memory is accessed, because a
//! fault may need both.

mod cache;
mod file;
mod inode;
mod namei;
mod pipe;
mod program;
mod text;
mod volume;

pub use cache::{InodeRef, init as init_cache, inode_count, try_pages};
pub use file::{File, FileTable, open_files};
pub use namei::{create, find, link, root, unlink};
pub use pipe::pipes;
pub use program::{TextFile, text_part};
pub use volume::{lock, mount, set_sync, shut_down, sync};
