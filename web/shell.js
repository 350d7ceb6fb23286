// @ts-check
/**
 * What surrounds the video: the theme button, the notice at the bottom, the screen reader's announcements.
 * Fed by: app.js. Feeds: people.
 */
import { byId, icon, setText } from './dom.js';

const THEME_KEY = 'frameway-theme';
const THEMES = /** @type {const} */ (['auto', 'light', 'dark']);
const THEME_WORDS = { auto: 'as the system', light: 'light', dark: 'dark' };

/** How long a notice stays, ms; one with a button stays twice as long. */
const NOTICE_MS = 5000;

/** @returns {'auto' | 'light' | 'dark'} */
function currentTheme() {
  const theme = document.documentElement.dataset.theme;
  return theme === 'light' || theme === 'dark' ? theme : 'auto';
}

/** The button that goes through the themes; theme.js has applied the remembered one already. */
export function setUpTheme() {
  const button = byId('theme-button');
  const show = () => {
    const theme = currentTheme();
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    button.replaceChildren(icon(theme));
    button.title = `Theme: ${THEME_WORDS[theme]}`;
    button.setAttribute('aria-label', `Theme: ${THEME_WORDS[theme]}. Change to ${THEME_WORDS[next]}.`);
  };
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length];
    if (next === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem(THEME_KEY, next);
    } catch {
      // Storage is switched off: the choice lasts as long as the page.
    }
    show();
  });
  show();
}

/** Says something to screen readers, politely. @param {string} text */
export function announce(text) {
  setText(byId('announcer'), text);
}

let noticeTimer = 0;

/**
 * A notice at the bottom, with at most one thing to do about it.
 * @param {string} text
 * @param {{label: string, act: () => void}} [action]
 */
export function notify(text, action) {
  const toast = byId('toast');
  const button = /** @type {HTMLButtonElement} */ (byId('toast-action'));
  setText(byId('toast-text'), text);
  button.hidden = !action;
  setText(button, action?.label ?? '');
  button.onclick = () => {
    toast.hidden = true;
    action?.act();
  };
  byId('toast-close').onclick = () => { toast.hidden = true; };
  toast.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = window.setTimeout(() => { toast.hidden = true; }, action ? 2 * NOTICE_MS : NOTICE_MS);
}
