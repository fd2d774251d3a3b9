//! Bundles of our own, right and wrong, through the public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its own data shall fail")]

use proptest::prelude::*;
use smf::{Bundle, BundleKind, Command, ServiceFmri, check_profile};

/// A manifest with the given text inside its one service.
fn service(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n\
         <!DOCTYPE service_bundle SYSTEM \"/usr/share/lib/xml/dtd/service_bundle.dtd.1\">\n\
         <service_bundle type=\"manifest\" name=\"t\">\n\
         <service name=\"site/t\" type=\"service\" version=\"1\">\n{inside}\n\
         </service></service_bundle>\n"
    )
}

fn parse(text: &str) -> Bundle {
    Bundle::parse(text.as_bytes(), "t.xml").unwrap()
}

fn findings(text: &str) -> Vec<String> {
    parse(text).findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_manifest_becomes_data() {
    let bundle = parse(&service(
        r#"<single_instance/>
<restarter><service_fmri value="svc:/network/inetd:default"/></restarter>
<dependency name="net" grouping="require_all" restart_on="none" type="service">
  <service_fmri value="svc:/milestone/network"/>
  <service_fmri value="svc:/network/loopback:default"/>
</dependency>
<dependency name="config_file" grouping="optional_all" restart_on="none" type="path">
  <service_fmri value="file://localhost/etc/t.conf"/>
</dependency>
<dependent name="t_before" grouping="require_all" restart_on="none">
  <service_fmri value="svc:/milestone/multi-user"/>
</dependent>
<exec_method type="method" name="start" exec="/lib/svc/method/t %m %{config/a}" timeout_seconds="-1">
  <method_context working_directory="/var/t">
    <method_credential user="t" group="daemon" privileges="basic,!proc_info"/>
    <method_environment><envvar name="A" value="1"/></method_environment>
  </method_context>
</exec_method>
<exec_method type="method" name="stop" exec=":kill -HUP" timeout_seconds="0"/>
<property_group name="config" type="application">
  <propval name="a" type="astring" value="x &amp; y"/>
  <property name="b" type="count"><count_list>
    <value_node value="1"/><value_node value="2"/></count_list></property>
</property_group>
<instance name="one" enabled="true"/>
<instance name="two" enabled="false">
  <exec_method type="method" name="refresh" exec="exec /opt/t/refresh" timeout_seconds="3"/>
</instance>
<stability value="Unstable"/>
<template><common_name><loctext xml:lang="C">
  a test </loctext></common_name></template>"#,
    ));
    assert_eq!(bundle.findings, []);
    assert_eq!((bundle.kind.word(), bundle.name.as_str()), ("manifest", "t"));
    let service = &bundle.services[0];
    assert_eq!(service.fmri().to_string(), "svc:/site/t");
    assert!(service.single_instance);
    let common = &service.common;
    assert_eq!(common.restarter.as_deref(), Some("svc:/network/inetd:default"));
    assert_eq!(common.dependencies[0].entities.len(), 2);
    assert_eq!(common.dependencies[1].entities, ["file://localhost/etc/t.conf"]);
    assert_eq!(common.dependents[0].target, "svc:/milestone/multi-user");
    let context = common.methods[0].context.as_ref().unwrap();
    assert_eq!(context.user.as_deref(), Some("t"));
    assert_eq!(context.environment, [("A".to_owned(), "1".to_owned())]);
    let commands = service.commands();
    let programs: Vec<_> = commands.iter().map(Command::programs).collect();
    assert_eq!(programs, [vec!["/lib/svc/method/t"], vec![], vec!["/opt/t/refresh"]]);
    let programs = |exec: &str| {
        let command = Command { method: &common.methods[0], text: exec.into() };
        command.programs().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let server = "ctrun -l child -o noorphan,regent /opt/t/server --at %{config/address} &";
    assert_eq!(programs(server), ["ctrun", "/opt/t/server"]);
    assert_eq!(programs("/usr/bin/env A=/x /opt/t/x /etc/y"), ["/usr/bin/env", "/opt/t/x"]);
    assert_eq!(programs("server"), ["server"]);
    for exec in ["", "exec ", "%{config/program} -x", "[ -f /x ] && /y", "A=b /y", ":true"] {
        assert_eq!(programs(exec), [""; 0], "{exec}");
    }
    assert_eq!(common.property_groups[0].properties[0].values, ["x & y"]);
    assert_eq!(common.property_groups[0].properties[1].values, ["1", "2"]);
    assert_eq!(service.instance("one").unwrap().enabled, Some(true));
    assert_eq!(service.instance("two").unwrap().enabled, Some(false));
    assert_eq!(service.instance("two").unwrap().line, 30);
    assert_eq!(common.common_name.as_deref(), Some("a test"));
}

#[test]
fn every_kind_of_mistake_is_found_with_its_line() {
    let method = |rest: &str| service(&format!("<exec_method type='method' name='start' {rest}/>"));
    for (text, expected) in [
        (service("<instnace name='x'/>"), "t.xml:5: `service` cannot hold an element `instnace`"),
        (service("<instance name='x'/>"), "t.xml:5: `instance` has no attribute `enabled`"),
        (
            service("<instance name='x' enabled='yes'/>"),
            "t.xml:5: `instance` has enabled=\"yes\"; expected `true` or `false`",
        ),
        (
            service("<create_default_instance enabled='true' name='x'/>"),
            "t.xml:5: `create_default_instance` has an unknown attribute `name`",
        ),
        (
            service("<instance name='x' enabled='true'/>\n<single_instance/>"),
            "t.xml:6: `single_instance` is out of order or repeated in `service`: \
             it belongs before `instance`",
        ),
        (
            service("<single_instance/>\n<single_instance/>"),
            "t.xml:6: `single_instance` is out of order or repeated in `service`",
        ),
        (service("<restarter/>"), "t.xml:5: `restarter` needs an element `service_fmri`"),
        (service("enabled"), "t.xml:4: text in `service`: \"enabled\""),
        (
            service(
                "<create_default_instance enabled='true'/>\n<instance name='default' enabled='true'/>",
            ),
            "t.xml:6: instance `default` is there twice, first in line 5",
        ),
        (
            service(
                "<exec_method type='method' name='start' exec=':true' timeout_seconds='1'/>\n\
                 <property_group name='start' type='application'/>",
            ),
            "t.xml:6: property group `start` is there twice, first in line 5",
        ),
        (
            service(
                "<property_group name='a' type='application'>\n\
                 <propval name='b' type='astring' value='1'/>\n\
                 <propval name='b' type='astring' value='2'/></property_group>",
            ),
            "t.xml:7: property `b` is there twice, first in line 6",
        ),
        (
            service(
                "<property_group name='a' type='application'>\n\
                 <propval name='b' type='count' value='many'/></property_group>",
            ),
            "t.xml:6: property `b`: \"many\" is no count",
        ),
        (
            service("<instance name='a b' enabled='true'/>"),
            "t.xml:5: instance name `a b` has a character other than letters, digits and `_-.,`",
        ),
        (
            service(
                "<dependency name='d' grouping='require_all' restart_on='none' type='service'>\n\
                 <service_fmri value='network/ssh'/></dependency>",
            ),
            "t.xml:5: `network/ssh` is no service FMRI: it does not start `svc:/`",
        ),
        (
            service(
                "<dependency name='d' grouping='require_all' restart_on='none' type='path'>\n\
                 <service_fmri value='/etc/t'/></dependency>",
            ),
            "t.xml:5: path name `/etc/t` is no `file:` URI",
        ),
        (
            service("<dependent name='d' grouping='require_all' restart_on='none'/>"),
            "t.xml:5: `dependent` needs an element `service_fmri`",
        ),
        (method("exec='' timeout_seconds='1'"), "t.xml:5: method `start`: the command is empty"),
        (
            method("exec=':kil' timeout_seconds='1'"),
            "t.xml:5: method `start`: `:kil` is none of `:true`, `:kill [-SIGNAL]`",
        ),
        (
            method("exec='./run' timeout_seconds='1'"),
            "t.xml:5: method `start`: `./run` is a relative path",
        ),
        (
            method("exec='/run' timeout_seconds='1m'"),
            "t.xml:5: method `start`: the timeout \"1m\" is no number of seconds",
        ),
    ] {
        assert_eq!(findings(&text), [expected], "{text}");
    }
}

#[test]
fn a_service_is_defined_once() {
    let text = service("").replace(
        "</service_bundle>",
        "\n<service name='site/t' type='service' version='1'/></service_bundle>",
    );
    assert_eq!(findings(&text), ["t.xml:7: service `site/t` is there twice, first in line 4"]);
}

#[test]
fn only_profiles_may_leave_types_out() {
    let text = service("<property_group name='a'><propval name='b' value='1'/></property_group>");
    assert_eq!(
        findings(&text),
        [
            "t.xml:5: `property_group` has no attribute `type`",
            "t.xml:5: `propval` has no attribute `type`"
        ]
    );
    assert!(findings(&text.replace("\"manifest\"", "\"profile\"")).is_empty());
    assert_eq!(
        findings(&text.replace("\"manifest\"", "\"poster\"")).last().unwrap(),
        "t.xml:5: `propval` has no attribute `type`"
    );
}

#[test]
fn nested_bundles_and_inclusions() {
    let bundle = parse(
        "<service_bundle type='profile' name='p' xmlns:xi='http://www.w3.org/2003/XInclude'>\n\
         <xi:include href='file:/etc/svc/profile/name_service.xml'/>\n\
         <service_bundle type='profile' name='q'>\n\
         <service name='a' type='service' version='1'/></service_bundle></service_bundle>",
    );
    assert_eq!(bundle.findings, []);
    assert_eq!(bundle.kind, BundleKind::Profile);
    assert_eq!(bundle.includes[0].href, "file:/etc/svc/profile/name_service.xml");
    assert_eq!(bundle.service("a").unwrap().fmri(), ServiceFmri::service("a"));
}

#[test]
fn other_documents_are_refused() {
    let error = |text: &str| Bundle::parse(text.as_bytes(), "t.xml").unwrap_err().to_string();
    assert_eq!(
        error("\n<zone name='z'/>"),
        "t.xml:2: the root element is `zone`; expected a `service_bundle` document"
    );
    assert!(error("kernel").contains("not well-formed"));
}

#[test]
fn a_profile_may_only_name_what_a_manifest_defines() {
    let manifests = [
        parse(&service("<instance name='one' enabled='false'/>")),
        parse(&service("<create_default_instance enabled='true'/>").replace("site/t", "site/u")),
    ];
    let profile = parse(
        "<service_bundle type='profile' name='p'>\n\
         <service name='site/t' type='service' version='1'>\n\
           <instance name='one' enabled='true'/>\n\
           <instance name='default' enabled='true'/></service>\n\
         <service name='network/u' type='service' version='1'/>\n\
         <service name='site/u' type='service' version='1'>\n\
           <instance name='default' enabled='true'/></service>\n\
         <service name='site/v' type='service' version='1'/>\n\
         </service_bundle>",
    );
    let found: Vec<_> =
        check_profile(&profile, &manifests).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "t.xml:4: the profile names svc:/site/t:default, which no manifest defines; \
             the nearest is svc:/site/t:one",
            "t.xml:5: the profile names svc:/network/u, which no manifest defines; \
             the nearest is svc:/site/u",
            "t.xml:8: the profile names svc:/site/v, which no manifest defines",
        ]
    );
    let found = check_profile(&manifests[0], &manifests);
    assert_eq!(found[0].to_string(), "t.xml:1: this is a manifest bundle, not a profile");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Bundle::parse(&bytes, "t.xml");
    }

    #[test]
    fn no_command_line_makes_the_tokens_panic(exec in "[%{}/:,a-cimsfé ]{0,30}") {
        let method =
            format!("<exec_method type='method' name='m' exec='{exec}' timeout_seconds='0'/>");
        let bundle = parse(&service(&format!("{method}<instance name='b' enabled='true'/>")));
        for command in bundle.services[0].commands() {
            prop_assert!(exec.contains('%') || command.text == exec);
            let _ = command.programs();
        }
    }

    /// Elements and attributes of the document type in any arrangement.
    #[test]
    fn no_arrangement_makes_the_checks_panic(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "<service name='a' type='service'>", "</service>", "<instance name=''>",
            "</instance>", "<exec_method exec=':'/>", "<property_group name='p'>",
            "</property_group>", "<propval name='x' type='count' value='-'/>", "<template>",
            "</template>", "<xi:include/>", "<restarter/>", "&amp;", "text", "<!-- c -->",
            "<dependency type='path'><service_fmri value='file:'/></dependency>",
        ]), 0..30)
    ) {
        let text = format!("<service_bundle type='manifest'>{}</service_bundle>", words.concat());
        let _ = Bundle::parse(text.as_bytes(), "t.xml");
    }
}

#[test]
fn tokens_of_methods_are_replaced_by_what_the_bundle_says() {
    let group = |name: &str, values: &str| {
        format!(
            "<property_group name='{name}' type='application'><propval name='program' \
             type='astring' value='{values}'/><property name='list' type='astring'><astring_list>\
             <value_node value='a'/><value_node value='b'/></astring_list></property>\
             </property_group>"
        )
    };
    let method = |name: &str, exec: &str| {
        format!("<exec_method type='method' name='{name}' exec='{exec}' timeout_seconds='0'/>")
    };
    let bundle = parse(&service(
        &[
            method("start", "%{config/program} -n %i -s %s -m %m %f"),
            method("stop", "%{program} %{config/list} %{config/list,} %{config/list:} 100%%"),
            method("refresh", "%{config/nothing} %r %{config/program %"),
            group("config", "/opt/t/one"),
            group("application", "/opt/t/plain"),
            "<instance name='a' enabled='true'/><instance name='b' enabled='true'>".to_owned(),
            group("config", "/opt/t/two"),
            "</instance>".to_owned(),
        ]
        .concat(),
    ));
    let commands = bundle.services[0].commands();
    let texts: Vec<&str> = commands.iter().map(|command| &*command.text).collect();
    assert_eq!(
        texts,
        [
            "/opt/t/one -n a -s site/t -m start svc:/site/t:a",
            "/opt/t/plain a b a,b a:b 100%",
            "%{config/nothing} %r %{config/program %",
            "/opt/t/two -n b -s site/t -m start svc:/site/t:b",
        ]
    );
    let programs: Vec<_> = commands.iter().map(Command::programs).collect();
    assert_eq!(programs, [vec!["/opt/t/one"], vec!["/opt/t/plain"], vec![], vec!["/opt/t/two"]]);
}
