//! What is asked of the headers: the data of `tests/abi` for one release, as questions in C.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use xen_abi::{Constant, Field, Function, Layout, Minors, Value};

/// One question that a compiler can answer, with the answer of the data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Probe {
    /// What it is about, such as `xc_physinfo_t: offset of free_pages`.
    pub(crate) what: String,
    pub(crate) ask: Ask,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ask {
    /// The value of a constant expression.
    Number { of: String, expected: i128 },
    /// The value of a string literal.
    Text { of: String, expected: String },
    /// The bits of a bit field, counted from the start of its structure.
    Bits { structure: String, field: String, expected: Range<usize> },
    /// The type of an expression.
    Type { of: String, expected: String },
    /// Whether a condition on a type holds.
    Holds { condition: String },
    /// That something is not there.
    Absent { of: String },
}

/// Lines of the data.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count {
    functions: usize,
    structures: usize,
    fields: usize,
    constants: usize,
}

/// Everything that is asked about one release.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) probes: Vec<Probe>,
    functions: Vec<&'static Function>,
    pub(crate) compared: Count,
    /// Names that other releases have.
    pub(crate) absent: Count,
    /// Facts of a header that is not in the package.
    pub(crate) left_out: Count,
}

impl Facts {
    /// The facts of Xen 4.`minor`.
    pub(crate) fn of(minor: u16) -> Self {
        let mut facts = Self::default();
        let functions = xen_abi::functions().iter().filter(|f| f.minors.contains(minor));
        let (private, shipped) = functions.partition::<Vec<_>, _>(|f| f.header == PRIVATE);
        let is_private =
            |name: &str| !private.is_empty() && PRIVATE_NAMES.iter().any(|it| name.starts_with(it));
        let here = |minors: &Minors| minors.contains(minor);

        facts.left_out.functions = private.len();
        facts.compared.functions = shipped.len();
        facts.probes.extend(shipped.iter().map(|function| prototype(function)));
        facts.probes.extend(machine_types(&shipped));
        facts.functions = shipped;
        for layout in xen_abi::layouts().iter().filter(|layout| here(&layout.minors)) {
            let count =
                if is_private(layout.name) { &mut facts.left_out } else { &mut facts.compared };
            count.structures += 1;
            count.fields += layout.fields.len();
            if !is_private(layout.name) {
                facts.probes.extend(structure(layout));
            }
        }
        for constant in xen_abi::constants().iter().filter(|c| here(&c.minors)) {
            if is_private(constant.name) {
                facts.left_out.constants += 1;
            } else {
                facts.compared.constants += 1;
                facts.probes.push(value(constant));
            }
        }
        facts.absences(minor, &is_private);
        facts
    }

    /// The functions that are compared.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &'static Function> {
        self.functions.iter().copied()
    }

    /// Asks that what only other releases have is not there.
    fn absences(&mut self, minor: u16, is_private: &dyn Fn(&str) -> bool) {
        let functions = xen_abi::functions().iter().map(|f| (f.name, &f.minors));
        let functions = elsewhere(functions, minor, is_private);
        let structures = xen_abi::layouts().iter().map(|layout| (layout.name, &layout.minors));
        let structures = elsewhere(structures, minor, is_private);
        let constants = xen_abi::constants().iter().map(|c| (c.name, &c.minors));
        let constants = elsewhere(constants, minor, is_private);
        self.absent = Count {
            functions: functions.len(),
            structures: structures.len(),
            fields: 0,
            constants: constants.len(),
        };
        let addresses = functions.iter().map(|name| (*name, format!("&{name}")));
        let others = structures.iter().chain(&constants).map(|name| (*name, (*name).to_owned()));
        self.probes.extend(
            addresses
                .chain(others)
                .map(|(name, of)| Probe { what: name.to_owned(), ask: Ask::Absent { of } }),
        );
    }
}

/// The names of which no line speaks of 4.`minor`.
fn elsewhere<'a>(
    lines: impl Iterator<Item = (&'a str, &'a Minors)> + Clone,
    minor: u16,
    is_private: &dyn Fn(&str) -> bool,
) -> BTreeSet<&'a str> {
    let here: BTreeSet<&str> =
        lines.clone().filter(|(_, minors)| minors.contains(minor)).map(|(name, _)| name).collect();
    lines.map(|(name, _)| name).filter(|name| !here.contains(name) && !is_private(name)).collect()
}

pub(crate) fn prototype(function: &Function) -> Probe {
    let (of, expected) = (function.name.to_owned(), function.prototype.to_owned());
    Probe { what: format!("{}: prototype", function.name), ask: Ask::Type { of, expected } }
}

/// What each type of the prototypes is to the machine, as far as the data says.
pub(crate) fn machine_types(functions: &[&Function]) -> Vec<Probe> {
    // With the first function that has them, to name it.
    let mut pairs = BTreeMap::new();
    let mut probes = Vec::new();
    for function in functions {
        let (result, arguments) = in_c(function.prototype);
        let machine = function.arguments();
        if arguments.len() != machine.len() {
            // Asked in C too, so that it is reported as everything else is.
            let what = format!("{}: as many arguments in C as of the machine", function.name);
            let condition = format!("{} == {}", arguments.len(), machine.len());
            probes.push(Probe { what, ask: Ask::Holds { condition } });
        }
        let its_result = std::iter::once((result, function.result()));
        for pair in its_result.chain(arguments.into_iter().zip(machine)) {
            pairs.entry(pair).or_insert(function.name);
        }
    }
    pairs.retain(|(in_c, machine), _| in_c != machine);
    probes.extend(pairs.into_iter().map(|((in_c, machine), function)| Probe {
        what: format!("{function}: {in_c} is {machine}"),
        ask: Ask::Holds { condition: is_machine_type(in_c, machine) },
    }));
    probes
}

/// Result and arguments of `int(xc_interface *, uint32_t)`.
fn in_c(prototype: &str) -> (&str, Vec<&str>) {
    let (result, rest) = prototype.split_once('(').unwrap_or((prototype, ""));
    let arguments = rest.strip_suffix(')').unwrap_or(rest);
    (result.trim_end(), arguments.split(", ").filter(|argument| *argument != "void").collect())
}

fn is_machine_type(in_c: &str, machine: &str) -> String {
    let class = format!("__builtin_classify_type(*({in_c} *)0)");
    match (machine, machine.split_at_checked(1)) {
        ("void", _) => format!("__builtin_types_compatible_p({in_c}, void)"),
        ("bool", _) => format!("__builtin_types_compatible_p({in_c}, _Bool)"),
        ("ptr", _) => format!("{class} == {POINTER_CLASS}"),
        (_, Some((sign @ ("i" | "u"), bits))) => {
            let signed = u8::from(sign == "i");
            format!(
                "{class} != {POINTER_CLASS} && sizeof({in_c}) * 8 == {bits} && \
                 (({in_c})-1 < 0) == {signed}"
            )
        }
        // Nothing else is in the data; if it comes, it is not right until it is known here.
        _ => "0".to_owned(),
    }
}

pub(crate) fn structure(layout: &Layout) -> Vec<Probe> {
    let name = layout.name;
    let number = |what: &str, of: String, expected: usize| Probe {
        what: format!("{name}: {what}"),
        ask: Ask::Number { of, expected: expected as i128 },
    };
    let mut probes = vec![
        number("size", format!("sizeof({name})"), layout.size),
        number("alignment", format!("_Alignof({name})"), layout.align),
    ];
    for field in &layout.fields {
        let label = field.name;
        if let Some(bits) = bits(field) {
            let (structure, field) = (name.to_owned(), label.to_owned());
            let ask = Ask::Bits { structure, field, expected: bits };
            probes.push(Probe { what: format!("{name}: bits of {label}"), ask });
            continue;
        }
        let of = format!("__builtin_offsetof({name}, {label})");
        probes.push(number(&format!("offset of {label}"), of, field.offset));
        let member = format!("(({name} *)0)->{label}");
        // An array without a length has no size, and says so by its type.
        if !field.kind.ends_with("[]") {
            let of = format!("sizeof({member})");
            probes.push(number(&format!("size of {label}"), of, field.size));
        }
        if !field.kind.contains("{anon}") {
            let ask = Ask::Type { of: member, expected: field.kind.to_owned() };
            probes.push(Probe { what: format!("{name}: type of {label}"), ask });
        }
    }
    probes
}

/// The bits of a bit field: `unsigned int:1` at a bit.
fn bits(field: &Field) -> Option<Range<usize>> {
    let first = field.bit?;
    let width: usize = field.kind.rsplit_once(':')?.1.parse().ok()?;
    Some(first..first + width)
}

pub(crate) fn value(constant: &Constant) -> Probe {
    let of = constant.name.to_owned();
    let ask = match constant.value {
        Value::Number(expected) => Ask::Number { of, expected },
        Value::Text(text) => Ask::Text { of, expected: text.to_owned() },
    };
    Probe { what: constant.name.to_owned(), ask }
}

impl Count {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { functions, structures, fields, constants } = self;
        write!(f, "{functions} functions, {structures} structures")?;
        if *fields > 0 {
            write!(f, " with {fields} fields")?;
        }
        write!(f, ", {constants} constants")
    }
}

/// The header that libxenguest kept to itself until 4.14; from 4.15 on `xenguest.h` has it.
pub(crate) const PRIVATE: &str = "xc_dom.h";

/// What begins the names of [`PRIVATE`].
const PRIVATE_NAMES: [&str; 7] = [
    "MAX_ACPI_MODULES",
    "X86_HVM_END_SPECIAL_REGION",
    "X86_HVM_NR_SPECIAL_PAGES",
    "XC_DOM_",
    "XG_MAX_MODULES",
    "struct xc_dom_",
    "xc_dom_",
];

/// What `__builtin_classify_type` gives for a pointer (gcc/typeclass.h).
const POINTER_CLASS: u8 = 5;
