"""Random JSON schemas out of the keywords that lean on each other: references, branches, what is unevaluated, counts."""
NAMES = ["a", "b", "n1", "n2", "x", "k\u00e9"]
PATTERNS = ["^n", "1$", "^[a-c]", "x"]
REFERENCES = ["root#/$defs/one", "http://h/root#two", "three", "/three#/$defs/four"]
FACTORS = [2, 3, 0.5, 1.5, 2.5, 0.25, 7]  # whose quotients floats tell exactly


def leaf(rng):
    low = rng.randint(-6, 6)
    return rng.choice([
        {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 9)}, {"type": "boolean"}, {"type": "null"},
        {"enum": rng.sample(["a", "b", 1, 2, None, True, 2.5], rng.randint(1, 4))}, {"const": rng.choice(["a", 1, None])},
        {"type": "string", "maxLength": rng.randint(0, 3)}, {"type": "string", "pattern": rng.choice(PATTERNS), "maxLength": 6},
        {"type": "number", "multipleOf": rng.choice(FACTORS)}, {"type": ["integer", "string"], "maxLength": 2}, True])


def condition(rng, depth=0):
    """A schema whose opposite is often a schema, too."""
    name = rng.choice(NAMES)
    choices = [{"required": [name]}, {"properties": {name: leaf(rng)}, "required": [name]}, {"properties": {name: {"const": 1}}},
               {"type": rng.choice(["integer", "string", "object", "array", "number"])}, {"minimum": rng.randint(-3, 3)},
               {"maxProperties": rng.randint(0, 2)}, {"contains": leaf(rng)}, {"prefixItems": [leaf(rng), {"type": "integer"}]},
               {"dependentRequired": {name: [rng.choice(NAMES)]}}, {"minItems": 2}, {"enum": [1, "a", None]}]
    if depth < 2:
        choices += [{"anyOf": [condition(rng, depth + 1), condition(rng, depth + 1)]}, {"not": condition(rng, depth + 1)},
                    {"oneOf": [condition(rng, depth + 1), condition(rng, depth + 1)]},
                    {"if": condition(rng, depth + 1), "then": condition(rng, depth + 1), "else": condition(rng, depth + 1)},
                    {"allOf": [condition(rng, depth + 1), condition(rng, depth + 1)]}]
    return rng.choice(choices)


def object_part(rng, depth):
    """Some keywords about objects."""
    out = {}
    names = rng.sample(NAMES, rng.randint(1, 3))
    if rng.random() < 0.7:
        out["properties"] = {name: inner(rng, depth + 1) for name in names}
    if rng.random() < 0.4:
        out["required"] = rng.sample(names, rng.randint(1, len(names)))
    if rng.random() < 0.3:
        out["patternProperties"] = {pattern: inner(rng, depth + 1) for pattern in rng.sample(PATTERNS, rng.randint(1, 2))}
    if rng.random() < 0.15:
        out["additionalProperties"] = rng.choice([False, leaf(rng)])
    if rng.random() < 0.1:
        out["minProperties"] = rng.randint(0, 2)
    if rng.random() < 0.1:
        out["maxProperties"] = rng.randint(1, 3)
    if rng.random() < 0.1:
        out["propertyNames"] = rng.choice([{"maxLength": 2}, {"pattern": "^[a-n]"}, {"enum": NAMES[:3]}])
    if rng.random() < 0.1:
        out["dependentRequired"] = {names[0]: [rng.choice(NAMES)]}
    if rng.random() < 0.25:
        out["unevaluatedProperties"] = rng.choice([False, False, leaf(rng), True])
    return branches(rng, out, depth, object_part)


def array_part(rng, depth):
    """Some keywords about arrays."""
    out = {}
    if rng.random() < 0.5:
        out["prefixItems"] = [inner(rng, depth + 1) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.35:
        out["items"] = inner(rng, depth + 1)
    if rng.random() < 0.3:
        out["contains"] = leaf(rng)
        for key in ("minContains", "maxContains"):
            if rng.random() < 0.4:
                out[key] = rng.randint(0, 2)
    if rng.random() < 0.3:
        out["minItems"] = rng.randint(0, 2)
    if rng.random() < 0.4:
        out["maxItems"] = rng.randint(1, 4)
    if rng.random() < 0.1:
        out["items"] = {"enum": rng.sample([1, 1.0, "a", "b", None, {"p": 1, "q": 2}, {"q": 2, "p": 1}], 4)}
        out["uniqueItems"] = True
    if rng.random() < 0.25:
        out["unevaluatedItems"] = rng.choice([False, False, leaf(rng)])
    return branches(rng, out, depth, array_part)


def branches(rng, out, depth, part):
    if depth > 2:
        return out
    for key, chance in (("allOf", 0.25), ("anyOf", 0.2), ("oneOf", 0.12)):
        if rng.random() < chance:
            out[key] = [part(rng, depth + 1) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.15:
        out["if"] = condition(rng)
        for key in ("then", "else"):
            if rng.random() < 0.7:
                out[key] = part(rng, depth + 1)
    if rng.random() < 0.12:
        out["not"] = condition(rng)
    if rng.random() < 0.1 and part is object_part:
        out["dependentSchemas"] = {rng.choice(NAMES): part(rng, depth + 1)}
    if rng.random() < 0.12:
        out["$ref"] = rng.choice(REFERENCES)
    if rng.random() < 0.06:
        out["$dynamicRef"] = rng.choice(["http://h/root#five", "three#five"])
    return out


def inner(rng, depth):
    if depth > 2 or rng.random() < 0.6:
        return leaf(rng)
    if rng.random() < 0.2:
        return {"$ref": rng.choice(REFERENCES)}
    if rng.random() < 0.3:
        return {"type": "array", **array_part(rng, depth)}
    return {"type": "object", **object_part(rng, depth)}


def leaning_schema(rng):
    part, name = rng.choice([(object_part, "object"), (object_part, "object"), (array_part, "array")])
    five = {"$dynamicAnchor": "five", **part(rng, 2)}
    three = {"$id": "three", "$defs": {"four": {"type": "integer"}, "five": {"$dynamicAnchor": "five"}}, **part(rng, 2)}
    if rng.random() < 0.3:
        three.setdefault("allOf", []).append({"$dynamicRef": "#five"})
    schema = {"$id": "http://h/root", "type": name, **part(rng, 0)}
    schema["$defs"] = {"one": part(rng, 2), "two": {"$anchor": "two", **part(rng, 2)}, "three": three, "five": five}
    return schema
