//! x
use anyhow::Result;
pub(crate) struct Volume(Vec<u8>);
impl Volume {
    pub(crate) fn format(size: usize) -> Result<Volume> {
        Ok(Volume(vec![0; size]))
    }
    pub(crate) fn open(i: Vec<u8>) -> Result<Volume> {
        Ok(Volume(i))
    }
    pub(crate) fn put(&mut self, _: &str, _: &[u8]) -> Result<()> {
        Ok(())
    }
    pub(crate) fn get(&mut self, _: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    pub(crate) fn check(&mut self) -> Result<Vec<String>> {
        Ok(vec![])
    }
    pub(crate) fn into_image(self) -> Vec<u8> {
        self.0
    }
}
