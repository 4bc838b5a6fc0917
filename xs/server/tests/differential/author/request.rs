//! Requests: most as clients make them, some as nobody should.

use xs::proto::{MAX_PAYLOAD, Op};

use super::{Author, DOMAINS, Domain};
use crate::step::{Step, Who};

impl Author {
    pub(super) fn request(&mut self, who: Who) -> Step {
        let (op, mut payload) = self.operation();
        // When it refuses these, the C xenstored answers with whatever error there was before, and
        // ends if there was none.
        let wrong = payload.starts_with(b"@x") || matches!(who, Who::Guest(_));
        if op == Op::SET_PERMS && payload.starts_with(b"@") && wrong {
            payload.splice(..1, *b"/");
        }
        payload.truncate(MAX_PAYLOAD);
        let open = self.open(who).clone();
        let tx = match self.random.below(40) {
            0 => self.random.below(6) as u32,
            1..24 if !open.is_empty() => self.random.one_of(&open),
            _ if op == Op::TRANSACTION_END => open.last().copied().unwrap_or_default(),
            _ => 0,
        };
        Step::Ask { who, op, tx, payload }
    }

    fn operation(&mut self) -> (Op, Vec<u8>) {
        let alone = |mut path: Vec<u8>| {
            path.push(0);
            path
        };
        match self.random.below(128) {
            0..24 => (Op::WRITE, [alone(self.path()), self.value()].concat()),
            24..31 => (Op::MKDIR, alone(self.path())),
            31..39 => (Op::RM, alone(self.removed())),
            39..49 => (Op::READ, alone(self.path())),
            49..56 => (Op::DIRECTORY, alone(self.path())),
            56..62 => (Op::GET_PERMS, alone(self.path())),
            62..75 => (Op::SET_PERMS, self.permissions()),
            75..85 => (Op::WATCH, [alone(self.watched()), alone(self.token())].concat()),
            85..89 => (Op::UNWATCH, [alone(self.watched()), b"t\0".to_vec()].concat()),
            89..98 => (Op::TRANSACTION_START, vec![0]),
            98..108 => (Op::TRANSACTION_END, self.random.one_of(&ENDS).to_vec()),
            108..112 => (Op::DIRECTORY_PART, [alone(self.path()), self.offset()].concat()),
            112 => (Op::RESET_WATCHES, vec![0]),
            113 => (Op::GET_DOMAIN_PATH, self.number()),
            114 | 115 => (Op::IS_DOMAIN_INTRODUCED, self.number()),
            116..121 => (Op::INTRODUCE, self.introduction()),
            121 => self.release(),
            122 => (Op::RESUME, self.number()),
            123 => self.target(),
            124 => (self.random.one_of(&NO_OPERATIONS), vec![0]),
            _ => self.malformed(),
        }
    }

    fn path(&mut self) -> Vec<u8> {
        let mut path = match self.random.below(64) {
            0 => return self.random.one_of(&BAD_PATHS).to_vec(),
            1 => return self.long_path(),
            2 => return b"/".to_vec(),
            3 => return b"/big".to_vec(),
            4..25 => self.home(),
            25..48 => b"/shared".to_vec(),
            48..56 => Vec::new(),
            _ => b"rel".to_vec(),
        };
        for _ in 0..self.random.below(4) {
            path.push(b'/');
            path.extend_from_slice(self.random.one_of(&["a", "b", "c", "d-_@"]).as_bytes());
        }
        if path.is_empty() { b"/a".to_vec() } else { path }
    }

    /// Not too often all that there is.
    fn removed(&mut self) -> Vec<u8> {
        let path = self.path();
        let slashes = path.iter().filter(|byte| **byte == b'/').count();
        if slashes < 2 || path.ends_with(b"/domain") || !self.random.once_in(3) {
            [&path[..], b"/a"].concat()
        } else {
            path
        }
    }

    /// About as long as a path may be.
    fn long_path(&mut self) -> Vec<u8> {
        let start = self.random.one_of(&[
            &b"/"[..],
            b"/shared/",
            b"/local/domain/1/",
            b"/local/domain/-1/",
            b"/local/domain/12345/",
            b"/local/domain/123456/",
            b"/local/domain/x/",
            b"",
        ]);
        let counted = self.random.one_of(&[0, start.len()]);
        let len = (2047 + self.random.below(4)).saturating_sub(counted);
        [start, &vec![b'x'; len]].concat()
    }

    fn home(&mut self) -> Vec<u8> {
        format!("/local/domain/{}", self.domain()).into_bytes()
    }

    fn value(&mut self) -> Vec<u8> {
        let len = match self.random.below(40) {
            0 => 1800 + self.random.below(300),
            1 => 3500,
            _ => self.random.below(12),
        };
        (0..len).map(|_| self.random.one_of(b"\0a1\xFF")).collect()
    }

    fn domain(&mut self) -> u16 {
        self.random.one_of(&DOMAINS)
    }

    fn permissions(&mut self) -> Vec<u8> {
        let mut path = match self.random.below(24) {
            0 => self.random.one_of(&[&b"@introduceDomain"[..], b"@releaseDomain"]).to_vec(),
            _ => self.path(),
        };
        // What becomes of the store when the owner of all dies is no matter of comparison.
        if path == b"/" {
            path = b"/shared".to_vec();
        }
        path.push(0);
        let most = if self.random.once_in(8) { 6 } else { 3 };
        for _ in 0..=self.random.below(most) {
            let entry = match self.random.below(60) {
                0 => self.random.one_of(&BAD_ENTRIES).to_owned(),
                1 => format!("{}0x{}", self.letter(), self.domain()),
                2 => format!("{}0{}", self.letter(), self.domain()),
                3 => format!("{}-1", self.letter()),
                4..20 => format!("{}0", self.letter()),
                _ => format!("{}{}", self.letter(), self.domain()),
            };
            path.extend_from_slice(entry.as_bytes());
            path.push(0);
        }
        path
    }

    fn letter(&mut self) -> char {
        self.random.one_of(&['n', 'r', 'w', 'b'])
    }

    fn watched(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => b"@introduceDomain".to_vec(),
            1 => b"@releaseDomain".to_vec(),
            2 => [b"@", &vec![b'x'; 2045 + self.random.below(5)][..]].concat(),
            _ => self.path(),
        }
    }

    fn token(&mut self) -> Vec<u8> {
        match self.random.below(24) {
            0 => Vec::new(),
            1 => vec![b't'; 2030],
            _ => self.random.one_of(&[&b"t"[..], b"\xFF token"]).to_vec(),
        }
    }

    fn offset(&mut self) -> Vec<u8> {
        let offset = self.random.one_of(&["0", "1", "2", "83", "1000", "4100", "-1", " 2x", "x"]);
        [offset.as_bytes(), &[0]].concat()
    }

    fn number(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => self.random.one_of(&NUMBERS).to_vec(),
            _ => format!("{}\0", self.domain()).into_bytes(),
        }
    }

    fn introduction(&mut self) -> Vec<u8> {
        let dom = if self.random.once_in(30) { 0 } else { self.domain() };
        match self.random.below(20) {
            0 => format!("{dom}\0{}\0", 7),
            1 => format!("{dom}\x001\x000\0"),
            2 => format!("{dom}\0x\x0012x\0more\0"),
            _ => format!("{dom}\x001044476\x001\0"),
        }
        .into_bytes()
    }

    fn release(&mut self) -> (Op, Vec<u8>) {
        let dom = self.domain();
        match self.is_target(dom) {
            true => (Op::RESUME, b"9\0".to_vec()),
            false => (Op::RELEASE, format!("{dom}\0").into_bytes()),
        }
    }

    pub(super) fn target(&mut self) -> (Op, Vec<u8>) {
        let (dom, target) = (self.domain(), self.domain());
        let fits = |dom| self.domains.get(&dom).is_some_and(Domain::is_free);
        // The C xenstored counts who refers to whom: it never lets go of a ring of them.
        let payload = match dom != target && fits(dom) && fits(target) && !self.is_target(dom) {
            true => format!("{dom}\0{target}\0"),
            false => self.random.one_of(&["9\x001\0", "1\x009\0", "1\0"]).to_owned(),
        };
        (Op::SET_TARGET, payload.into_bytes())
    }

    fn malformed(&mut self) -> (Op, Vec<u8>) {
        let ops = [
            Op::WRITE,
            Op::SET_PERMS,
            Op::WATCH,
            Op::UNWATCH,
            Op::TRANSACTION_END,
            Op::DIRECTORY_PART,
            Op::GET_DOMAIN_PATH,
            Op::RESUME,
        ];
        let payloads = [&b""[..], b"a", b"a\0b", b"\0", b"\0\0", b"a\0b\0c\0d\0"];
        (self.random.one_of(&ops), self.random.one_of(&payloads).to_vec())
    }
}

const ENDS: [&[u8]; 8] = [b"T\0", b"T\0", b"T\0", b"T\0", b"T\0", b"F\0", b"T", b"X\0"];

const BAD_PATHS: [&[u8]; 10] = [
    b"",
    b"/a/",
    b"//",
    b"/a//b",
    b"/a b",
    b"/\xFF",
    b"@x",
    b"@releaseDomain",
    b"a/",
    b"/a\xC3\xA9",
];

const BAD_ENTRIES: [&str; 9] = ["", "r", "x1", "1", "r1x", "r ", "r 1", "r+2", "r0x"];

const NUMBERS: [&[u8]; 9] =
    [b"0\0", b"32752\0", b"9\0", b"x\0", b"-1\0", b" 1\0", b"1x\0", b"4294967297\0", b"\0"];

/// Those that Xen 4.17 does not have, nor we.
const NO_OPERATIONS: [Op; 5] = [Op::WATCH_EVENT, Op::ERROR, Op(20), Op(27), Op(u32::MAX)];
