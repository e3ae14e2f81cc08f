//! Job files.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::path::Path;

use super::JobFile;
use crate::error::EncodeError;

pub fn job_file(text: &str) -> Result<JobFile, EncodeError> {
    JobFile::parse(Path::new("jobs.yaml"), text)
}
