//! The cache of decisions (access vector cache).

use std::ffi::CStr;

use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// How full the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvcHashStats {
    /// Decisions in it.
    pub entries: u32,
    /// Buckets of its hash table in use.
    pub buckets_used: u32,
    /// Buckets that there are.
    pub buckets: u32,
    /// Decisions in the fullest one.
    pub longest_chain: u32,
}

/// How one processor used the cache since Xen was started; numbers wrap at 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "names of struct xen_flask_cache_stats, xsm/flask_op.h")]
pub struct AvcCpuStats {
    pub lookups: u32,
    pub hits: u32,
    pub misses: u32,
    pub allocations: u32,
    pub reclaims: u32,
    pub frees: u32,
}

impl Xc {
    /// How full the cache of decisions is.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without FLASK.
    #[doc(alias = "xc_flask_avc_hashstats")]
    pub fn avc_hash_stats(&self) -> Result<AvcHashStats> {
        self.backend
            .flask_avc_hashstats(HASH_ROOM)
            .and_then(|text| hash_stats(&text).ok_or(nonsense("xc_flask_avc_hashstats", &text)))
            .map_err(|e| Error::new("read how full the access vector cache is", e))
    }

    /// How the processors used the cache of decisions: those from the first on to the last that is
    /// online without a gap.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without FLASK or if it was built without
    /// `CONFIG_XSM_FLASK_AVC_STATS`.
    #[doc(alias = "xc_flask_avc_cachestats")]
    pub fn avc_cpu_stats(&self) -> Result<Vec<AvcCpuStats>> {
        self.backend
            .flask_avc_cachestats(CPU_ROOM)
            .and_then(|text| cpu_stats(&text).ok_or(nonsense("xc_flask_avc_cachestats", &text)))
            .map_err(|e| Error::new("read the use of the access vector cache", e))
    }

    /// From how many decisions on the cache drops some.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without FLASK.
    #[doc(alias = "xc_flask_getavc_threshold")]
    pub fn avc_threshold(&self) -> Result<u32> {
        self.backend
            .flask_getavc_threshold()
            .map_err(|e| Error::new("read the access vector cache's threshold", e))
    }

    /// Sets that number.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied), [`Kind::Invalid`](crate::Kind::Invalid) for one above
    /// 2^31 - 1, which could not be read back.
    #[doc(alias = "xc_flask_setavc_threshold")]
    pub fn set_avc_threshold(&self, entries: u32) -> Result<()> {
        i32::try_from(entries)
            .map_err(|_| CallError::Errno(rustix::io::Errno::RANGE))
            .and_then(|entries| self.backend.flask_setavc_threshold(entries))
            .map_err(|e| {
                Error::new(format!("set the access vector cache's threshold to {entries}"), e)
            })
    }
}

/// Reads what `xc_flask_avc_hashstats` formats (`tools/libs/ctrl/xc_flask.c`): three lines of words, a
/// colon and numbers.
fn hash_stats(text: &CStr) -> Option<AvcHashStats> {
    let mut lines = text.to_str().ok()?.lines();
    let entries = lines.next()?.strip_prefix("entries: ")?.parse().ok()?;
    let (used, buckets) = lines.next()?.strip_prefix("buckets used: ")?.split_once('/')?;
    let longest_chain = lines.next()?.strip_prefix("longest chain: ")?.parse().ok()?;
    let (buckets_used, buckets) = (used.parse().ok()?, buckets.parse().ok()?);
    Some(AvcHashStats { entries, buckets_used, buckets, longest_chain })
}

/// Reads what `xc_flask_avc_cachestats` formats: a line of names, then one of numbers a processor.
fn cpu_stats(text: &CStr) -> Option<Vec<AvcCpuStats>> {
    let mut lines = text.to_str().ok()?.lines();
    (lines.next()? == "lookups hits misses allocations reclaims frees").then_some(())?;
    lines.map(cpu).collect()
}

fn cpu(line: &str) -> Option<AvcCpuStats> {
    let mut numbers = line.split(' ').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    Some(AvcCpuStats {
        lookups: next()?,
        hits: next()?,
        misses: next()?,
        allocations: next()?,
        reclaims: next()?,
        frees: next()?,
    })
}

/// A text that is not the known one; its length is the only number in it.
fn nonsense(call: &'static str, text: &CStr) -> CallError {
    CallError::Nonsense { call, answer: text.count_bytes() as u64 }
}

/// Three lines.
const HASH_ROOM: usize = 256;
/// A line has at most 66 bytes, and Xen knows no more than 4095 processors.
const CPU_ROOM: usize = 66 * 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_text_is_read() {
        let text = c"entries: 505\nbuckets used: 301/512\nlongest chain: 4\n";
        let stats =
            AvcHashStats { entries: 505, buckets_used: 301, buckets: 512, longest_chain: 4 };
        assert_eq!(hash_stats(text), Some(stats));
        assert_eq!(hash_stats(c"entries: 505\nbuckets used: 301\nlongest chain: 4\n"), None);
        assert_eq!(hash_stats(c""), None);
    }

    #[test]
    fn a_line_a_processor_is_read() {
        let text =
            c"lookups hits misses allocations reclaims frees\n9 8 1 1 0 0\n7 7 0 0 0 4294967295\n";
        let stats = cpu_stats(text).unwrap();
        assert_eq!((stats.len(), stats[0].lookups, stats[0].misses), (2, 9, 1));
        assert_eq!((stats[1].hits, stats[1].frees), (7, u32::MAX));
        assert_eq!(cpu_stats(c"lookups hits misses allocations reclaims frees\n9 8 1"), None);
        assert_eq!(cpu_stats(c"something else\n"), None);
    }
}
