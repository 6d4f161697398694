<%doc>
Cross entropy of log-probabilities logp[outer, classes, inner] against class indices target[outer, inner].

With label smoothing s the target is the distribution q_c = s / classes, and 1 - s more at the target's class; every
class counts with its weight. A line is one (outer, inner) pair; the target ``ignore`` takes a line out.

name       kernel name without its prefix
mode       "forward"   the losses: of parts of the lines with their sum of weights, or with ``each`` of every line
           "finish"    add them, divide by the weights for the mean
           "backward"  gradient with respect to the scores before log_softmax (softmax) or to logp itself
gpu        False: a work-item takes a range of lines.  True: a work-item takes a line (with smooth a work-group of G
           does), or in "backward" an element
A, X, xtag arithmetic type, storage type and tag of logp and of the gradient written; M, W: mask type and vector width
I          storage type of the targets; weighted: True where classes have weights; smooth: True for label smoothing
each       True where every line's loss is wanted (reduction "none"); mean: divide by the sum of weights
alone      CPU forward: True where one work-item takes all lines and needs no "finish"
rows       CPU backward: True where inner == 1 and vectors run along the classes, else along neighbouring lines
</%doc>
<%namespace name="memory" file="memory.cl"/>
<%
def load(p, at, w=1):
    return memory.module.load(p, at, xtag, X, w=w)
def store(p, value, at, w=1):
    return memory.module.store(p, at, value, xtag, X, w=w)
w = load("weight", "t") if weighted else f"(({A})1)"
wc = load("weight", "c") if weighted else f"(({A})1)"
%>
## a line's target t, and whether it is left out (off) or no class (bad)
<%def name="target_of(line)">
        const long t = target[${line}];
        const int off = t == ignore, bad = !off && (t < 0 || t >= classes);
</%def>
% if mode == "finish":
% if gpu:
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
% else:
__kernel
% endif
void ct_${name}(long parts, const __global ${A} *losses, __global ${A} *weights, __global ${X} *out)
{
% if gpu:
    __local ${A} a[${G}], b[${G}];
    const int lid = get_local_id(0);
    ${A} total = 0, heavy = 0;
    for (long p = lid; p < parts; p += ${G}) { total += losses[p]; heavy += weights[p]; }
    a[lid] = total;
    b[lid] = heavy;
    for (int s = ${G // 2}; s > 0; s /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < s) { a[lid] += a[lid + s]; b[lid] += b[lid + s]; }
    }
    if (lid) return;
    total = a[0];
    heavy = b[0];
% else:
    ${A} total = 0, heavy = 0;
    for (long p = 0; p < parts; ++p) { total += losses[p]; heavy += weights[p]; }
% endif
    // the first weight is read again by the gradient, as their sum
    weights[0] = heavy;
    const ${A} r = ${"total / heavy" if mean else "total"};
    ${store("out", "r", "0")}
}
% else:
% if gpu and smooth and mode == "forward":
__kernel __attribute__((reqd_work_group_size(${G}, 1, 1)))
% else:
__kernel
% endif
void ct_${name}(long outer, long classes, long inner, long per_item, long ignore, ${A} smoothing,
                const __global ${X} *logp, const __global ${I} *target
% if weighted:
                , const __global ${X} *weight, const __global ${A} *weight_sum
% endif
% if mode == "forward":
                , __global ${X if each or alone else A} *losses, __global ${A} *weights, int site,
                volatile __global int *note)
% else:
                , const __global ${X} *g, const __global ${A} *weights, __global ${X} *out)
% endif
{
% if mode == "forward":
## the loss and the weight of a line
<%def name="loss_of()">
        ${A} loss = 0, heavy = 0;
        // a class out of range must not read elsewhere; the result says that something is wrong, and it is noted
        if (bad) {
            loss = NAN;
            wrong = t;
            faulty = 1;
        } else if (!off) {
            heavy = ${w};
            loss = -${"(1 - smoothing) * " if smooth else ""}heavy * ${load("logp", "at + t * inner")};
        }
</%def>
% if gpu and smooth:
    __local ${A} parts[${G}];
    const int lid = get_local_id(0);
    const long line = get_group_id(0), o = line / inner, at = o * classes * inner + line - o * inner;
    ${A} spread = 0;
    for (long c = lid; c < classes; c += ${G}) spread -= ${wc} * ${load("logp", "at + c * inner")};
    parts[lid] = spread;
    for (int s = ${G // 2}; s > 0; s /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < s) parts[lid] += parts[lid + s];
    }
    if (lid) return;
    ${target_of("line")}
    int faulty = 0;
    long wrong = 0;
    ${loss_of()}
    if (!off && !bad) loss += smoothing / classes * parts[0];
    if (faulty) ct_note(note, site, 0, wrong, classes);
    ${store("losses", "loss", "line") if each else "losses[line] = loss;"}
    weights[line] = heavy;
% else:
    int faulty = 0;
    long wrong = 0;
% if gpu:
    for (long line = get_global_id(0); line < outer * inner; line += get_global_size(0)) {
% else:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * inner, first + per_item);
    ${A} total = 0, all = 0;
    for (long line = first; line < last; ++line) {
% endif
        const long o = line / inner, at = o * classes * inner + line - o * inner;
        ${target_of("line")}
        ${loss_of()}
% if smooth:
        if (!off && !bad) {
            ${A} spread = 0;
            for (long c = 0; c < classes; ++c) spread -= ${wc} * ${load("logp", "at + c * inner")};
            loss += smoothing / classes * spread;
        }
% endif
% if each:
        ${store("losses", "loss", "line")}
% elif gpu:
        losses[line] = loss;
        weights[line] = heavy;
% else:
        total += loss;
        all += heavy;
% endif
    }
    if (faulty) ct_note(note, site, 0, wrong, classes);
% if alone:
    weights[0] = all;
    const ${A} r = ${"total / all" if mean else "total"};
    ${store("losses", "r", "0")}
% elif not gpu and not each:
    losses[get_global_id(0)] = total;
    weights[get_global_id(0)] = all;
% endif
% endif
% else:
## how a line's gradient is scaled, what its own class takes off (hit), and the sum of its distribution (all)
<%def name="scale_of(line)">
        ${A} scale = ${load("g", line if each else "0")}${" / weights[0]" if mean else ""}, hit = 0;
        if (off) scale = 0;
        else if (bad) scale = NAN;
        else hit = ${"(1 - smoothing) * " if smooth else ""}${w};
        const ${A} all = hit${f" + smoothing * {'weight_sum[0] / classes' if weighted else '1'}" if smooth else ""};
</%def>
<%
def inside(w, own):
    V = A if w == 1 else f"{A}{w}"
    e = f"exp({load('logp', 'p', w)}) * all" if softmax else f"({V})(0)"
    even = f" - smoothing / classes * {load('weight', 'c', w) if weighted else '1'}" if smooth else ""
    return f"{e}{even}{own}"
%>
% if gpu:
    for (long e = get_global_id(0); e < outer * classes * inner; e += get_global_size(0)) {
        const long o = e / (classes * inner), rest = e - o * classes * inner, c = rest / inner;
        const long line = o * inner + rest - c * inner;
        const long p = e;
        ${target_of("line")}
        ${scale_of("line")}
        const ${A} r = off ? 0 : scale * (${inside(1, " - (c == t ? hit : 0)")});
        ${store("out", "r", "e")}
    }
% elif rows:
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer, first + per_item);
    for (long line = first; line < last; ++line) {
        const long at = line * classes;
        ${target_of("line")}
        ${scale_of("line")}
        long c = 0;
        for (; c + ${W} <= classes; c += ${W}) {
            const long p = at + c;
            const ${A}${W} r = off ? (${A}${W})(0) : scale * (${inside(W, "")});
            ${store("out", "r", "p", W)}
        }
        for (; c < classes; ++c) {
            const long p = at + c;
            const ${A} r = off ? 0 : scale * (${inside(1, "")});
            ${store("out", "r", "p")}
        }
        if (!off && !bad) {
            const long c = t, p = at + t;
            const ${A} r = scale * (${inside(1, " - hit")});
            ${store("out", "r", "p")}
        }
    }
% else:
    // blocks of neighbouring lines, class by class
    const long blocks = (inner + ${W - 1}) / ${W};
    const long first = (long)get_global_id(0) * per_item, last = min(outer * blocks, first + per_item);
    for (long u = first; u < last; ++u) {
        const long o = u / blocks, i0 = (u - o * blocks) * ${W};
        const int some = min((long)${W}, inner - i0);
        ${A} scales[${W}], hits[${W}], alls[${W}];
        long classes_of[${W}];
        for (int j = 0; j < ${W}; ++j) {
            scales[j] = hits[j] = alls[j] = 0;
            classes_of[j] = -1;
            if (j < some) {
                const long line = o * inner + i0 + j;
                ${target_of("line")}
                ${scale_of("line")}
                scales[j] = scale;
                hits[j] = hit;
                alls[j] = all;
                classes_of[j] = off ? -2 : t;
            }
        }
        for (long c = 0; c < classes; ++c) {
            long p = (o * classes + c) * inner + i0;
            if (some == ${W}) {
                const ${A}${W} all = vload${W}(0, alls);
<% same = inside(W, "").replace(load("weight", "c", W), f"({A}{W})({load('weight', 'c')})") %>\
                ${A}${W} r = vload${W}(0, scales) * (${same});
                ${A} t[${W}];
                vstore${W}(r, 0, t);
                for (int j = 0; j < ${W}; ++j) {
                    if (classes_of[j] == c) t[j] -= scales[j] * hits[j];
                    if (classes_of[j] == -2) t[j] = 0;
                }
                ${store("out", f"vload{W}(0, t)", "p", W)}
            } else {
                for (int j = 0; j < some; ++j, ++p) {
                    const ${A} all = alls[j];
                    ${A} r = scales[j] * (${inside(1, "")});
                    if (classes_of[j] == c) r -= scales[j] * hits[j];
                    if (classes_of[j] == -2) r = 0;
                    ${store("out", "r", "p")}
                }
            }
        }
    }
% endif
% endif
}
% endif
