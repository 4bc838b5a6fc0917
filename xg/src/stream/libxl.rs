//! What may come when in libxl's stream (`tools/libs/light/libxl_stream_read.c`), and its bodies.

use super::error::{LengthRule, Reason};
use super::fields::Fields;
use super::headers::Machine;
use super::libxc::Plan;
use super::record::{Body, Emulator, EmulatorNode, Head, RecordKind};

/// How far a stream has come.
#[derive(Debug, Default)]
pub(super) struct Libxl {
    has_context: bool,
    in_checkpoint: bool,
}

impl Libxl {
    /// Judges a record by its header; `machine` is known once libxc's stream has begun.
    pub(super) fn admit(&mut self, head: &Head, machine: Option<Machine>) -> Result<Plan, Reason> {
        let length = u64::from(head.length);
        match head.kind {
            RecordKind::LibxlEnd | RecordKind::LibxcContext if self.in_checkpoint => {
                Err(Reason::Misplaced("inside of a checkpoint"))
            }
            RecordKind::LibxlEnd if !self.has_context => Err(Reason::Missing("LIBXC_CONTEXT")),
            RecordKind::LibxcContext if self.has_context => Err(Reason::Repeated),
            RecordKind::CheckpointEnd if !self.in_checkpoint => {
                Err(Reason::Misplaced("outside of a checkpoint"))
            }
            RecordKind::LibxlEnd | RecordKind::LibxcContext | RecordKind::CheckpointEnd => {
                LengthRule::Exactly.check(length, 0)?;
                self.has_context |= head.kind == RecordKind::LibxcContext;
                self.in_checkpoint &= head.kind != RecordKind::CheckpointEnd;
                Ok(Plan::Keep)
            }
            RecordKind::EmulatorStore | RecordKind::EmulatorContext
                if machine == Some(Machine::Pv) =>
            {
                Err(Reason::Misplaced("in the image of a PV guest"))
            }
            RecordKind::EmulatorStore => {
                LengthRule::AtLeast.check(length, u64::from(EMULATOR_HEADER))?;
                LengthRule::AtMost.check(length, u64::from(MAX_STORE))?;
                Ok(Plan::Keep)
            }
            RecordKind::EmulatorContext => {
                LengthRule::AtLeast.check(length, u64::from(EMULATOR_HEADER))?;
                Ok(Plan::Pass(EMULATOR_HEADER))
            }
            RecordKind::CheckpointState => Err(Reason::Misplaced("in an image: it controls COLO")),
            _ => Err(Reason::UnknownRecord),
        }
    }

    /// libxc's stream has come to a checkpoint.
    pub(super) fn begin_checkpoint(&mut self) {
        self.in_checkpoint = true;
    }
}

/// The body of a record that was admitted, or of the part of it that is kept.
pub(super) fn body(kind: RecordKind, bytes: &[u8]) -> Result<Body, Reason> {
    match kind {
        RecordKind::EmulatorStore => {
            let mut fields = Fields::new(bytes);
            let emulator = Emulator { id: fields.u32()?, index: fields.u32()? };
            Ok(Body::EmulatorStore { emulator, nodes: nodes(fields.rest())? })
        }
        RecordKind::EmulatorContext => {
            let mut fields = Fields::new(bytes);
            Ok(Body::EmulatorContext(Emulator { id: fields.u32()?, index: fields.u32()? }))
        }
        _ => Ok(Body::Empty),
    }
}

/// Paths and values, each ended by a zero (`libxl__restore_emulator_xenstore_data`).
fn nodes(bytes: &[u8]) -> Result<Vec<EmulatorNode>, Reason> {
    let Some((&end, all)) = bytes.split_last() else { return Ok(Vec::new()) };
    if end != 0 {
        return Err(Reason::EmulatorStore("it does not end with a zero"));
    }
    if bytes.iter().filter(|byte| **byte == 0).nth(2 * MAX_NODES).is_some() {
        return Err(Reason::EmulatorStore("more than 4096 nodes"));
    }
    let strings: Vec<&[u8]> = all.split(|byte| *byte == 0).collect();
    let (pairs, rest) = strings.as_chunks();
    if !rest.is_empty() {
        return Err(Reason::EmulatorStore("a path without a value"));
    }
    let node = |[path, value]: &[&[u8]; 2]| match path.first() {
        None => Err(Reason::EmulatorStore("an empty path")),
        Some(b'/') => Err(Reason::EmulatorStore("an absolute path")),
        Some(_) => Ok(EmulatorNode { path: path.to_vec(), value: value.to_vec() }),
    };
    pairs.iter().map(node).collect()
}

/// `libxl__sr_emulator_hdr`.
pub(super) const EMULATOR_HEADER: u32 = 8;
/// Three nodes for each piece of memory that QEMU has moved is all that libxl writes
/// (`libxl__save_emulator_xenstore_data`): some hundred bytes each, of a handful.
const MAX_STORE: u32 = 1 << 20;
/// Each has two lists of bytes of its own when it is kept.
const MAX_NODES: usize = 4096;
