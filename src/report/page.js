// Brings the page up to date in place: asks for it again and takes over what has changed. What the reader has opened,
// focused or scrolled stays as it is. Without this script the page loads itself anew.
(() => {
    'use strict';

    const pauseMs = 2000;
    const staleAfterMs = 10000;
    let lastMs = Date.now();
    let timer = 0;

    const stale = document.getElementById('stale');
    const said = document.getElementById('said');
    let verdict = document.getElementById('verdict').dataset.say;

    // The story that the address names (a mark of the chart leads there) is open, and stands out.
    const aim = (jump) => {
        const story = location.hash.startsWith('#story-') && document.getElementById(location.hash.slice(1));

        if (!story) {
            return;
        }
        story.classList.add('aimed');
        if (jump) {
            for (let part = story.parentElement; part; part = part.parentElement) {
                if (part.tagName === 'DETAILS') {
                    part.open = true;
                }
            }
            story.querySelector('details').open = true;
            story.querySelector('summary').focus({ preventScroll: true });
            story.scrollIntoView({ block: 'nearest' });
        }
    };

    // Read out only when it has become another one: its numbers change every second.
    const say = () => {
        const now = document.getElementById('verdict').dataset.say;

        if (now !== verdict) {
            verdict = now;
            said.textContent = now;
        }
    };

    // What an element is, whatever stands before it: by the part of the page that it is in, and where it leads.
    const nameOf = (element) => {
        const part = element.closest('[id]');

        return [element.tagName, element.getAttribute('href'), element.getAttribute('aria-label'),
            part && part.id].join(' ');
    };

    const REACHED = 'a, summary, [tabindex]';

    // What the reader has done to the parts that are replaced.
    const remember = (root) => ({
        open: Array.from(root.querySelectorAll('details[id]')).filter((d) => d.open).map((d) => d.id),
        scroll: new Map(Array.from(root.querySelectorAll('.scroll'))
            .map((s) => [nameOf(s), [s.scrollLeft, s.scrollTop]])),
        focus: root.contains(document.activeElement) ? nameOf(document.activeElement) : null,
    });

    const restore = (root, state) => {
        for (const details of root.querySelectorAll('details[id]')) {
            details.open = state.open.includes(details.id);
        }
        for (const part of root.querySelectorAll('.scroll')) {
            if (state.scroll.has(nameOf(part))) {
                [part.scrollLeft, part.scrollTop] = state.scroll.get(nameOf(part));
            }
        }
        const focused = state.focus !== null
            && Array.from(root.querySelectorAll(REACHED)).find((e) => nameOf(e) === state.focus && e.getClientRects().length);
        if (focused) {
            focused.focus({ preventScroll: true });
        }
    };

    const takeOver = (fresh) => {
        const now = document.getElementById('status');
        const next = fresh.getElementById('status');

        if (!next) {
            throw new Error('no status page');
        }
        for (const part of Array.from(now.children)) {
            const same = part.id && next.querySelector('#' + part.id);

            // what is as it was is not touched
            if (same && same.outerHTML === part.outerHTML) {
                same.replaceWith(part);
            }
        }
        const state = remember(now);
        now.replaceWith(document.importNode(next, true));
        restore(document.getElementById('status'), state);
        aim(false);
        say();
        document.title = fresh.title;
        document.getElementById('when').textContent = fresh.getElementById('when').textContent;
        const icon = document.querySelector('link[rel=icon]');
        const nextIcon = fresh.querySelector('link[rel=icon]');
        if (icon.getAttribute('href') !== nextIcon.getAttribute('href')) {
            icon.setAttribute('href', nextIcon.getAttribute('href'));
        }
    };

    const tell = () => {
        const lateMs = Date.now() - lastMs;

        stale.hidden = lateMs < staleAfterMs;
        if (!stale.hidden) {
            stale.textContent = 'No answer for ' + Math.round(lateMs / 1000)
                + ' s: what is below is as old. The server is asked again every two seconds.';
        }
    };

    const refresh = async () => {
        clearTimeout(timer);
        if (!document.hidden) {
            try {
                const answer = await fetch(location.pathname, {
                    cache: 'no-store', signal: AbortSignal.timeout(5000),
                });
                if (!answer.ok) {
                    throw new Error(String(answer.status));
                }
                takeOver(new DOMParser().parseFromString(await answer.text(), 'text/html'));
                lastMs = Date.now();
            } catch (error) {
                // told below, once it lasts
            }
            tell();
        }
        timer = setTimeout(refresh, pauseMs);
    };

    document.addEventListener('visibilitychange', () => {
        if (!document.hidden) {
            refresh();
        }
    });
    window.addEventListener('hashchange', () => {
        for (const old of document.querySelectorAll('.aimed')) {
            old.classList.remove('aimed');
        }
        aim(true);
    });
    aim(true);
    timer = setTimeout(refresh, pauseMs);
})();
