"""A model that has something to hide in every field: `from support.planted import planted_everywhere`."""

from __future__ import annotations

from onnx import AttributeProto, ModelProto, StringStringEntryProto, TensorProto, TrainingInfoProto, helper


def planted_everywhere() -> tuple[ModelProto, list[bytes]]:
    """A model with a byte string of its own in every field that can hold data or free text."""
    secrets: list[bytes] = []

    def secret() -> str:
        secrets.append(f"PLANTED{len(secrets):04d}!".encode())
        return secrets[-1].decode()

    def raw(name: str, dims: list[int], data_type: int = TensorProto.UINT8) -> TensorProto:
        data = secret().encode()
        return TensorProto(name=name, dims=dims or [len(data)], data_type=data_type, raw_data=data, doc_string=secret())

    names = [secret() for _ in range(6)]
    x, w, strings, out, hidden, sparse_name = names
    external = TensorProto(name=secret(), dims=[8], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    external.external_data.append(StringStringEntryProto(key="location", value=secret()))
    nodes = [
        helper.make_node("Identity", [x], [hidden], name=secret(), doc_string=secret()),
        helper.make_node("Add", [hidden, w], [names[3] + "1"]),
        helper.make_node("Constant", [], [secret()], value=raw("", [])),
        helper.make_node("Constant", [], [secret()], value_string=secret().encode()),
        helper.make_node("Constant", [], [secret()], value_strings=[secret().encode(), secret().encode()]),
        helper.make_node(
            "Foreign", [hidden, external.name, strings], [secret()], domain="foreign", **{secret(): secret()}
        ),
        helper.make_node(
            "Foreign", [hidden, sparse_name], [secret()], domain=secret(), note=[secret()], blob=raw("", [])
        ),
        helper.make_node(secret(), [hidden], [out], domain="foreign"),
        helper.make_node("Attention", [hidden], [secret()], domain="com.microsoft", note=secret()),
        helper.make_node("LabelEncoder", [hidden], [secret()], domain="ai.onnx.ml", keys_strings=[secret()]),
        helper.make_node("StringNormalizer", [hidden], [secret()], stopwords=[secret()], locale=secret()),
        helper.make_node("RegexFullMatch", [hidden], [secret()], pattern=secret()),
    ]
    nodes[0].metadata_props.append(StringStringEntryProto(key=secret(), value=secret()))
    nodes[0].attribute.append(AttributeProto(name=secret(), type=AttributeProto.STRING, s=secret().encode()))
    body = helper.make_graph(
        [helper.make_node("Add", [hidden, "bw"], [secret()])],
        secret(),
        [],
        [helper.make_tensor_value_info("bo", TensorProto.UINT8, [secret()])],
        [raw("bw", [])],
        doc_string=secret(),
    )
    body.output[0].name = body.node[0].output[0]
    condition = secret()
    nodes.append(helper.make_node("If", [condition], [secret()], then_branch=body, else_branch=body))
    sparse = helper.make_sparse_tensor(raw(sparse_name, []), helper.make_tensor("i", TensorProto.INT64, [1], [0]), [99])
    graph = helper.make_graph(
        nodes,
        secret(),
        [
            helper.make_tensor_value_info(x, TensorProto.UINT8, [secret()]),
            helper.make_tensor_value_info(condition, 9, []),
        ],
        [helper.make_tensor_value_info(out, TensorProto.UINT8, [secret()])],
        [raw(w, []), external, TensorProto(name=strings, dims=[1], data_type=8, string_data=[secret().encode()])],
        doc_string=secret(),
        sparse_initializer=[sparse],
        value_info=[helper.make_tensor_value_info(secret(), TensorProto.UINT8, [secret()])],
    )
    graph.input[0].type.denotation = secret()
    graph.input[0].doc_string = secret()
    graph.metadata_props.append(StringStringEntryProto(key=secret(), value=secret()))
    m = helper.make_model(
        graph, producer_name=secret(), producer_version=secret(), domain=secret(), doc_string=secret()
    )
    m.metadata_props.append(StringStringEntryProto(key=secret(), value=secret()))
    m.training_info.append(TrainingInfoProto(initialization=graph))
    m.functions.append(helper.make_function(secret(), secret(), ["a"], ["b"], [nodes[0]], [], doc_string=secret()))
    # A field that no ONNX version knows: protobuf would carry it along through copies.
    unknown = secret().encode()
    m.MergeFromString(b"\xfa\x7f" + bytes([len(unknown)]) + unknown)
    return m, secrets
