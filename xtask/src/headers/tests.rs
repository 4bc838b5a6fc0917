//! The pure part: data to C, and the compiler's words to a report.

use xen_abi::{Field, Function, Layout, Minors, constant, function};

use super::compile::{complaints, pointed_to};
use super::facts::{self, Ask, Facts, Probe};
use super::places::names_before_parentheses;
use super::source::{self, Answer};

fn lines(probes: &[Probe]) -> Vec<String> {
    probes.iter().enumerate().map(|(at, probe)| source::line(at, &probe.ask)).collect()
}

fn with_field(kind: &'static str, bit: Option<usize>) -> Vec<Probe> {
    let field = Field { name: "inner.a", offset: 8, size: 4, kind, bit };
    let minors = Minors(17..=17);
    let layout = Layout { name: "struct s", minors, size: 12, align: 4, fields: vec![field] };
    facts::structure(&layout)
}

fn question(what: &str, ask: Ask) -> Probe {
    Probe { what: what.to_owned(), ask }
}

#[test]
fn a_function_is_asked_for_its_prototype() {
    let probe = facts::prototype(function("xc_domain_pause", 17).unwrap());
    assert_eq!(probe.what, "xc_domain_pause: prototype");
    assert_eq!(
        source::line(7, &probe.ask),
        "const __int128 f7 = __builtin_types_compatible_p(__typeof__(xc_domain_pause), \
         int(xc_interface *, uint32_t));"
    );
}

#[test]
fn a_field_is_asked_for_place_size_and_type() {
    assert_eq!(
        lines(&with_field("uint32_t", None)),
        [
            "const __int128 f0 = sizeof(struct s);",
            "const __int128 f1 = _Alignof(struct s);",
            "const __int128 f2 = __builtin_offsetof(struct s, inner.a);",
            "const __int128 f3 = sizeof(((struct s *)0)->inner.a);",
            "const __int128 f4 = __builtin_types_compatible_p(__typeof__(((struct s *)0)->inner.a), \
             uint32_t);",
        ]
    );
}

#[test]
fn an_array_without_a_length_is_not_asked_for_its_size() {
    assert_eq!(with_field("unsigned char[]", None).len(), 4);
}

#[test]
fn a_type_without_a_name_is_not_asked_for() {
    assert_eq!(with_field("union {anon}", None).len(), 4);
}

#[test]
fn a_bit_field_is_set_to_see_its_bits() {
    let probes = with_field("unsigned int:3", Some(66));
    assert_eq!(lines(&probes)[2..], ["const struct s f2 = { .inner.a = -1 };"]);
    let (structure, field) = ("struct s".to_owned(), "inner.a".to_owned());
    assert_eq!(probes[2].ask, Ask::Bits { structure, field, expected: 66..69 });
}

#[test]
fn the_bits_that_are_set_are_the_field() {
    let bits = Ask::Bits { structure: String::new(), field: String::new(), expected: 6..9 };
    assert_eq!(source::answer(&bits, &[0b1100_0000, 1, 0, 0]).unwrap(), Answer::Bits(6..9));
}

#[test]
fn a_machine_type_is_asked_once_under_its_first_function() {
    let (pause, unpause) = (function("xc_domain_pause", 17), function("xc_domain_unpause", 17));
    let probes = facts::machine_types(&[pause.unwrap(), unpause.unwrap()]);
    assert_eq!(probes[0].what, "xc_domain_pause: int is i32");
    assert_eq!(
        lines(&probes)[..2],
        [
            "const __int128 f0 = __builtin_classify_type(*(int *)0) != 5 && \
             sizeof(int) * 8 == 32 && ((int)-1 < 0) == 1;",
            "const __int128 f1 = __builtin_classify_type(*(uint32_t *)0) != 5 && \
             sizeof(uint32_t) * 8 == 32 && ((uint32_t)-1 < 0) == 0;",
        ]
    );
    assert_eq!(probes.len(), 3);
}

#[test]
fn an_argument_too_many_for_the_machine_is_asked_about() {
    let (name, header, prototype) = ("f", "f.h", "int(int)");
    let signature = "i32(i32, ptr)";
    let minors = Minors(17..=17);
    let function = Function { name, minors, library: "l", header, signature, prototype };
    assert_eq!(lines(&facts::machine_types(&[&function]))[0], "const __int128 f0 = 1 == 2;");
}

#[test]
fn a_text_is_compared_as_text() {
    let ask = Ask::Text { of: "HVM_XS_BIOS".into(), expected: "hvmloader/bios".into() };
    assert_eq!(source::line(3, &ask), "const char f3[] = HVM_XS_BIOS;");
    let answer = source::answer(&ask, b"hvmloader/bias\0").unwrap();
    assert_eq!(
        source::difference(&question("HVM_XS_BIOS", ask), &answer).unwrap(),
        "HVM_XS_BIOS: \"hvmloader/bios\" in the data, \"hvmloader/bias\" in the headers"
    );
}

#[test]
fn the_sign_of_a_constant_counts() {
    let ask = Ask::Number { of: "XEN_X".into(), expected: 0xffff_ffff };
    let answer = source::answer(&ask, &(-1_i128).to_le_bytes()).unwrap();
    assert_eq!(
        source::difference(&question("XEN_X", ask), &answer).unwrap(),
        "XEN_X: 4294967295 in the data, -1 in the headers"
    );
}

#[test]
fn the_same_value_is_no_difference() {
    let ask = Ask::Number { of: "XEN_X".into(), expected: 7 };
    assert_eq!(source::difference(&question("XEN_X", ask), &Answer::Number(7)), None);
}

#[test]
fn what_should_be_absent_and_compiles_is_a_difference() {
    let probe = question("XS_X", Ask::Absent { of: "XS_X".into() });
    assert_eq!(source::line(0, &probe.ask), "const __int128 f0 = sizeof(XS_X);");
    assert!(source::difference(&probe, &Answer::Number(4)).is_some());
}

#[test]
fn names_of_other_releases_are_asked_to_be_absent() {
    let absent = |minor, name: &str| {
        let of = name.to_owned();
        Facts::of(minor).probes.iter().any(|probe| probe.ask == Ask::Absent { of: of.clone() })
    };
    assert!(absent(20, "&xc_domain_getinfo"));
    assert!(!absent(17, "&xc_domain_getinfo"));
}

#[test]
fn what_4_14_keeps_private_is_left_out_and_counted() {
    assert_eq!(
        Facts::of(14).left_out.to_string(),
        "45 functions, 7 structures with 184 fields, 10 constants"
    );
    assert!(Facts::of(17).left_out.is_empty());
}

#[test]
fn every_number_of_the_data_is_asked_for() {
    let asked =
        |ask: &Ask| matches!(ask, Ask::Number { of, expected: 1 } if of == "XEN_DOMINF_dying");
    assert_eq!(constant("XEN_DOMINF_dying", 20), Some(1));
    assert!(Facts::of(20).probes.iter().any(|probe| asked(&probe.ask)));
}

#[test]
fn a_complaint_is_found_by_its_line() {
    let source = source::with_headers(["int a;", "int b;"].into_iter());
    let line = source.lines().position(|line| line == "int b;").unwrap() + 1;
    assert_eq!(source::position(line), Some(1));
    assert_eq!(source::position(1), None);
}

#[test]
fn a_complaint_inside_a_macro_is_of_the_line_that_uses_it() {
    let words = "facts.c:57:30: error: 'XEN_A' undeclared here (not in a function)\n\
                 /h/xen/sys/evtchn.h:51:14: error: '_IOC_NONE' undeclared\n   51 |  _IOC(_IOC_NONE\n\
                 facts.c:58:24: note: in expansion of macro 'IOCTL_A'\n";
    assert_eq!(
        complaints(words, "facts.c"),
        [
            (57, "'XEN_A' undeclared here (not in a function)".to_owned()),
            (58, "'_IOC_NONE' undeclared".to_owned()),
        ]
    );
}

#[test]
fn the_headers_type_is_named_without_the_pointer_to_it() {
    let gcc = |it: &str| format!("'_Generic' selector of type '{it}' is not compatible with any");
    assert_eq!(pointed_to(&gcc("int (*)(xc_interface *)")), "int(xc_interface *)");
    assert_eq!(pointed_to(&gcc("void (**)(int)")), "void (*)(int)");
    assert_eq!(pointed_to(&gcc("uint8_t (*)[7]")), "uint8_t[7]");
    assert_eq!(pointed_to(&gcc("char **")), "char *");
}

#[test]
fn a_declaration_is_known_by_its_parenthesis() {
    let names = names_before_parentheses("int xc_domain_pause(xc_interface *xch);\nint xc_f\n (");
    assert!(names.contains("xc_domain_pause"));
    assert!(names.contains("xc_f"));
    assert!(!names.contains("xch"));
}
