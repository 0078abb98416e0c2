import { ref } from 'vue'

/** Whether this tab holds a model that the Align room has trained. */
export const aligned = ref(false)
