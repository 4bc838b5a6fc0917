//! A set of physical processors, as bitmaps of the host carry it.

use std::fmt;

use rustix::io::Errno;

use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// A set of physical processors, by the numbers that Xen gives them from 0 on.
///
/// It is written as ranges, the way `xl` takes them: `0-3,6`. What a processor is on this host is for
/// the call to find out that is given the set.
///
/// ```
/// use xc::CpuSet;
///
/// let cpus: CpuSet = [6, 0, 1, 2, 3].into_iter().collect();
/// assert_eq!(cpus.to_string(), "0-3,6");
/// assert!(cpus.contains(3) && !cpus.contains(4));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct CpuSet {
    /// Bit `n % 8` of byte `n / 8` is processor `n` (`xc_cpumap_t`); the last byte is not zero, so that
    /// equal sets have equal bytes.
    bytes: Vec<u8>,
}

impl CpuSet {
    /// No processor.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// The processors whose bits are set in a bitmap of the host; `None` if one is above 65535.
    #[doc(alias = "xc_cpumap_t")]
    pub fn from_bitmap(bitmap: &[u8]) -> Option<Self> {
        let used = bitmap.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        (used <= MOST_BYTES).then(|| Self { bytes: bitmap[..used].to_vec() })
    }

    /// The set that `call` answered.
    pub(crate) fn answered(bitmap: &[u8], call: &'static str) -> Result<Self, CallError> {
        let answer = bitmap.len() as u64 * 8;
        Self::from_bitmap(bitmap).ok_or(CallError::Nonsense { call, answer })
    }

    /// The set as a bitmap without zero bytes at its end, which a host's bitmap may need more of.
    pub fn as_bitmap(&self) -> &[u8] {
        &self.bytes
    }

    /// The set as a bitmap of `bytes` bytes, or `None` if a processor does not fit.
    pub fn to_bitmap(&self, bytes: usize) -> Option<Vec<u8>> {
        let mut bitmap = self.bytes.clone();
        (bitmap.len() <= bytes).then(|| {
            bitmap.resize(bytes, 0);
            bitmap
        })
    }

    /// Adds a processor.
    #[doc(alias = "xc_cpumap_setcpu")]
    pub fn insert(&mut self, cpu: u16) {
        let (byte, bit) = place(cpu);
        if self.bytes.len() <= byte {
            self.bytes.resize(byte + 1, 0);
        }
        self.bytes[byte] |= bit;
    }

    /// Takes a processor out.
    #[doc(alias = "xc_cpumap_clearcpu")]
    pub fn remove(&mut self, cpu: u16) {
        let (byte, bit) = place(cpu);
        if let Some(byte) = self.bytes.get_mut(byte) {
            *byte &= !bit;
        }
        while self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
    }

    /// Whether a processor is in the set.
    #[doc(alias = "xc_cpumap_testcpu")]
    pub fn contains(&self, cpu: u16) -> bool {
        let (byte, bit) = place(cpu);
        self.bytes.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// The processors in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..=u16::MAX).take(self.bytes.len() * 8).filter(|&cpu| self.contains(cpu))
    }

    /// How many processors are in the set.
    pub fn len(&self) -> usize {
        self.bytes.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether no processor is in the set.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl FromIterator<u16> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u16>>(cpus: I) -> Self {
        let mut set = Self::new();
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut comma = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|next| Some(*next) == last.checked_add(1)) {
                last = next;
            }
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpus {{{self}}}")
    }
}

impl Xc {
    /// One more than the highest number of a processor, online or not. It does not change while the
    /// host runs.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_get_max_cpus")]
    pub fn max_cpus(&self) -> Result<u16> {
        let fail = |e: CallError| Error::new("read the number of processors", e);
        let cpus = self.backend.get_max_cpus().map_err(fail)?;
        u16::try_from(cpus).map_err(|_| fail(Errno::RANGE.into()))
    }

    /// Every processor that the host can have.
    ///
    /// # Errors
    /// As [`Xc::max_cpus`].
    pub fn all_cpus(&self) -> Result<CpuSet> {
        Ok((0..self.max_cpus()?).collect())
    }
}

/// The processor of this number, as `call` answered it.
pub(crate) fn answered(number: u32, call: &'static str) -> Result<u16, CallError> {
    let beyond = |_| CallError::Nonsense { call, answer: number.into() };
    u16::try_from(number).map_err(beyond)
}

/// One bit for each number.
const MOST_BYTES: usize = 0x1_0000 / 8;

fn place(cpu: u16) -> (usize, u8) {
    (usize::from(cpu / 8), 1 << (cpu % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[u16]) -> CpuSet {
        cpus.iter().copied().collect()
    }

    #[test]
    fn a_bitmap_has_processor_eight_in_its_second_byte() {
        assert_eq!(set(&[0, 8, 10]).to_bitmap(3), Some(vec![0b1, 0b101, 0]));
        assert_eq!(CpuSet::from_bitmap(&[0b1, 0b101, 0]), Some(set(&[0, 8, 10])));
    }

    #[test]
    fn a_processor_beyond_the_bitmap_is_not_dropped() {
        assert_eq!(set(&[0, 8]).to_bitmap(1), None);
    }

    #[test]
    fn a_processor_that_has_no_number_is_not_dropped() {
        let mut bitmap = [0; 8193];
        bitmap[8191] = 0x80;
        assert_eq!(CpuSet::from_bitmap(&bitmap), Some(set(&[65535])));
        bitmap[8192] = 1;
        assert_eq!(CpuSet::from_bitmap(&bitmap), None);
        let error = CpuSet::answered(&bitmap, "xc_vcpu_getaffinity").unwrap_err();
        assert_eq!(error.to_string(), "xc_vcpu_getaffinity answered 65544");
    }

    #[test]
    fn sets_are_equal_however_they_came_to_be() {
        let mut grown = set(&[1, 200]);
        grown.remove(200);
        grown.remove(4000);
        assert_eq!(Some(&grown), CpuSet::from_bitmap(&[0b10, 0, 0]).as_ref());
        assert_eq!((grown.len(), grown.is_empty()), (1, false));
        grown.remove(1);
        assert!(grown.is_empty());
    }

    #[test]
    fn text_joins_neighbours_into_ranges() {
        assert_eq!(set(&[0, 1, 2, 5, 7, 8]).to_string(), "0-2,5,7-8");
        assert_eq!(set(&[]).to_string(), "");
    }

    #[test]
    fn the_highest_numbers_are_kept() {
        assert_eq!(set(&[65534, 65535]).iter().collect::<Vec<_>>(), [65534, 65535]);
        assert_eq!(set(&[65534, 65535]).to_string(), "65534-65535");
    }
}
