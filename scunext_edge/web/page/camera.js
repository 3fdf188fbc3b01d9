// One photo from the camera, and what to do where there is none.
import {Refusal} from './refusal.js';

const REASONS = {
  NotAllowedError: ['The camera was refused.', 'Allow it for this page in the browser’s settings, or choose a photo instead.'],
  NotFoundError: ['There is no camera here.', 'Choose a photo instead.'],
  NotReadableError: ['The camera is used by another program.', 'Close that program, or choose a photo instead.'],
};

/** Shows the dialog; resolves with a PNG file, or null where it was closed without one. */
export async function takePhoto({dialog, video, shutter, cancel}) {
  if (!navigator.mediaDevices?.getUserMedia)
    throw new Refusal('The camera cannot be used from here.', 'Browsers give it to pages over https only. Choose a photo instead.');
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(
      {video: {facingMode: 'environment', width: {ideal: 1920}, height: {ideal: 1080}}});
  } catch (error) {
    throw new Refusal(...(REASONS[error.name] ?? [`The camera gives no picture: ${error.message}.`, 'Choose a photo instead.']));
  }
  try {
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
    return await answerOf(dialog, video, shutter, cancel);
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    dialog.close();
  }
}

function answerOf(dialog, video, shutter, cancel) {
  return new Promise((resolve) => {
    shutter.onclick = () => {
      const canvas = document.createElement('canvas');
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      canvas.getContext('2d').drawImage(video, 0, 0);
      canvas.toBlob((blob) => resolve(new File([blob], 'camera.png', {type: 'image/png'})), 'image/png');
    };
    cancel.onclick = () => resolve(null);
    dialog.onclose = () => resolve(null); // Escape
  });
}
