//! The C source of a recording library.

use std::fmt::Write as _;

use crate::{Function, functions};

/// The functions that `library` has in Xen 4.`minor`, but for the missing ones.
pub(super) fn of(library: &str, minor: u16, missing: &[&str]) -> String {
    let present = functions()
        .iter()
        .filter(|f| f.library == library && f.minors.contains(minor) && !missing.contains(&f.name));
    present.filter_map(definition).fold(HEAD.to_owned(), |mut source, definition| {
        source.push_str(&definition);
        source
    })
}

/// One function; `None` for what numbers cannot carry: variable arguments, structures by value.
fn definition(function: &Function) -> Option<String> {
    let result = c_type(function.result())?;
    let types: Vec<_> = function.arguments().into_iter().map(c_type).collect::<Option<_>>()?;
    let mut text = format!("{result} {}(", function.name);
    for (index, c_type) in types.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(text, "{comma}{c_type} a{index}").ok()?;
    }
    let list: Vec<_> = (0..types.len()).map(|index| format!("(uint64_t)a{index}")).collect();
    let back = if result == "void" { String::new() } else { format!("return ({result})") };
    writeln!(
        text,
        ") {{ uint64_t a[] = {{ {} }}; {back} call(\"{}\", a, {}); }}",
        list.join(", "),
        function.name,
        types.len()
    )
    .ok()?;
    Some(text)
}

fn c_type(machine: &str) -> Option<&'static str> {
    Some(match machine {
        "void" => "void",
        "bool" => "_Bool",
        "ptr" => "void *",
        "i8" => "int8_t",
        "u8" => "uint8_t",
        "i16" => "int16_t",
        "u16" => "uint16_t",
        "i32" => "int32_t",
        "u32" => "uint32_t",
        "i64" => "int64_t",
        "u64" => "uint64_t",
        _ => return None,
    })
}

const HEAD: &str = "\
#include <errno.h>
#include <stdint.h>
typedef int64_t handler_t(const void *, const char *, const uint64_t *, uint32_t, int *);
static handler_t *handler;
static const void *state;
void stub_connect(handler_t *h, const void *s) { handler = h; state = s; }
static int64_t call(const char *name, const uint64_t *arguments, uint32_t count)
{
    int error = 0;
    int64_t answer = handler(state, name, arguments, count, &error);
    if ( error )
        errno = error;
    return answer;
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function;

    #[test]
    fn a_function_has_the_types_of_its_release() {
        let text = definition(function("xc_domain_setmaxmem", 17).unwrap()).unwrap();
        assert_eq!(
            text,
            "int32_t xc_domain_setmaxmem(void * a0, uint32_t a1, uint64_t a2) { uint64_t a[] = { \
             (uint64_t)a0, (uint64_t)a1, (uint64_t)a2 }; return (int32_t) \
             call(\"xc_domain_setmaxmem\", a, 3); }\n"
        );
    }

    #[test]
    fn a_missing_function_is_not_in_the_library() {
        assert!(of("libxenctrl", 17, &[]).contains(" xc_domain_pause("));
        assert!(!of("libxenctrl", 17, &["xc_domain_pause"]).contains(" xc_domain_pause("));
        assert!(!of("libxenguest", 17, &[]).contains(" xc_domain_pause("));
    }
}
